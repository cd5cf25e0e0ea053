import { ConnectionError, ErrorCode } from "./errors.ts";

/**
 * The symbols of RFC 7541 appendix B by the length of their code in bits; 256 is the end of string.
 * The code is canonical (same length: codes go up with the symbol), so lengths alone say all of it.
 */
const SYMBOLS_BY_BITS: readonly (readonly [number, readonly number[]])[] = [
  [5, [48, 49, 50, 97, 99, 101, 105, 111, 115, 116]],
  [6, [
    32,
    37,
    45,
    46,
    47,
    51,
    52,
    53,
    54,
    55,
    56,
    57,
    61,
    65,
    95,
    98,
    100,
    102,
    103,
    104,
    108,
    109,
    110,
    112,
    114,
    117,
  ]],
  [7, [
    58,
    66,
    67,
    68,
    69,
    70,
    71,
    72,
    73,
    74,
    75,
    76,
    77,
    78,
    79,
    80,
    81,
    82,
    83,
    84,
    85,
    86,
    87,
    89,
    106,
    107,
    113,
    118,
    119,
    120,
    121,
    122,
  ]],
  [8, [38, 42, 44, 59, 88, 90]],
  [10, [33, 34, 40, 41, 63]],
  [11, [39, 43, 124]],
  [12, [35, 62]],
  [13, [0, 36, 64, 91, 93, 126]],
  [14, [94, 125]],
  [15, [60, 96, 123]],
  [19, [92, 195, 208]],
  [20, [128, 130, 131, 162, 184, 194, 224, 226]],
  [21, [153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230]],
  [22, [
    129,
    132,
    133,
    134,
    136,
    146,
    154,
    156,
    160,
    163,
    164,
    169,
    170,
    173,
    178,
    181,
    185,
    186,
    187,
    189,
    190,
    196,
    198,
    228,
    232,
    233,
  ]],
  [23, [
    1,
    135,
    137,
    138,
    139,
    140,
    141,
    143,
    147,
    149,
    150,
    151,
    152,
    155,
    157,
    158,
    165,
    166,
    168,
    174,
    175,
    180,
    182,
    183,
    188,
    191,
    197,
    231,
    239,
  ]],
  [24, [9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237]],
  [25, [199, 207, 234, 235]],
  [26, [192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255]],
  [27, [203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254]],
  [28, [
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    11,
    12,
    14,
    15,
    16,
    17,
    18,
    19,
    20,
    21,
    23,
    24,
    25,
    26,
    27,
    28,
    29,
    30,
    31,
    127,
    220,
    249,
  ]],
  [30, [10, 13, 22, 256]],
];

interface Row {
  bits: number;
  /** The first code after this length's own, moved to the top of 30 bits: what is smaller has this length or a shorter one. */
  limit: number;
  firstCode: number;
  symbols: readonly number[];
}

const LONGEST_BITS = 30;

const ROWS: readonly Row[] = (() => {
  const rows: Row[] = [];
  let code = 0;
  let lastBits = 0;
  for (const [bits, symbols] of SYMBOLS_BY_BITS) {
    code *= 2 ** (bits - lastBits);
    const end = code + symbols.length;
    rows.push({ bits, limit: end * 2 ** (LONGEST_BITS - bits), firstCode: code, symbols });
    code = end;
    lastBits = bits;
  }
  return rows;
})();

/**
 * The text of a Huffman-coded string, one character a byte.
 *
 * @throws {ConnectionError} COMPRESSION_ERROR for an end-of-string symbol, or padding that is longer than 7 bits or not all ones (RFC 7541 section 5.2).
 */
export function decodeHuffman(bytes: Uint8Array): string {
  let text = "";
  let held = 0; // up to 30 + 7 bits: beyond what bit operators take, so arithmetic
  let heldBits = 0;
  let next = 0;
  for (;;) {
    while (heldBits < LONGEST_BITS && next < bytes.length) {
      held = held * 256 + bytes[next++]!;
      heldBits += 8;
    }
    if (heldBits === 0) return text;
    // Fill with ones as padding does: a rest that is padding then looks like the start of the end of string.
    const missing = LONGEST_BITS - heldBits;
    const window = missing > 0 ? held * 2 ** missing + 2 ** missing - 1 : Math.floor(held / 2 ** -missing);
    let row = 0;
    while (row < ROWS.length - 1 && window >= ROWS[row]!.limit) row++;
    const { bits, firstCode, symbols } = ROWS[row]!;
    if (bits > heldBits) {
      if (heldBits > 7 || held !== 2 ** heldBits - 1) {
        throw new ConnectionError(ErrorCode.COMPRESSION_ERROR, "bad Huffman padding");
      }
      return text;
    }
    const symbol = symbols[Math.floor(window / 2 ** (LONGEST_BITS - bits)) - firstCode]!;
    if (symbol === 256) throw new ConnectionError(ErrorCode.COMPRESSION_ERROR, "end of string inside a Huffman string");
    text += String.fromCharCode(symbol);
    heldBits -= bits;
    held %= 2 ** heldBits;
  }
}
