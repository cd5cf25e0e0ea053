/** Bytes that are no HTTP/1.1 message; `status` is the answer where the peer is a client. */
export class Http1Error extends Error {
  override name = "Http1Error";
  constructor(readonly status: 400 | 408 | 431, message: string) {
    super(message);
  }
}
