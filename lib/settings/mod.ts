/** Settings with their sources: one table, many places that may say a value, one winner each. */
export * from "./layers.ts";
export {
  describeSource,
  type Layer,
  type Provenance,
  resolve,
  resolveTable,
  SECRET_VARIABLE,
  type Settings,
  type Table,
  type ValuesOf,
} from "./resolve.ts";
export { choice, integer, type Setting, type Source, SOURCES, text, toggle } from "./setting.ts";
export { type Row, rowsOf, tableOf } from "./show.ts";
export { type SettingName, TABLE } from "./table.ts";
