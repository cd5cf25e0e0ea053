/** Lines of a byte stream as they come; a line that does not end is cut after `longest` characters. */
export async function* linesOf(stream: ReadableStream<Uint8Array>, longest = 8_192): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true });
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      yield rest.slice(0, Math.min(end, longest));
      rest = rest.slice(end + 1);
    }
    if (rest.length > longest) {
      yield rest.slice(0, longest);
      rest = "";
    }
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
