/** https://en.wikipedia.org/wiki/ANSI_escape_code#Select_Graphic_Rendition_parameters */
const COLOURS = { green: 32, yellow: 33, red: 31, dim: 2 } as const;
export type Colour = keyof typeof COLOURS;

/** Text in a colour, as terminals take it. */
export type Paint = (colour: Colour, text: string) => string;

/** @param hasColour on a terminal alone, and where the reader wants it: https://no-color.org */
export function painter(hasColour: boolean): Paint {
  return (colour, text) => hasColour ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text;
}
