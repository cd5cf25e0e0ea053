/** The names of a CommonJS package that `import()` has loaded: in a bundle they stand on its default export alone. */
export function namesOf<T extends object>(loaded: T): T {
  return (loaded as { default?: T }).default ?? loaded;
}
