/** Settings with their sources: one table, many places that may say a value, one winner each. */
export * from "./layers.ts";
export { describeSource, type Layer, type Provenance, resolve, SECRET_VARIABLE, type Settings } from "./resolve.ts";
export { type Setting, type Source, SOURCES } from "./setting.ts";
export { type Row, rowsOf, tableOf } from "./show.ts";
export { type SettingName, TABLE } from "./table.ts";
