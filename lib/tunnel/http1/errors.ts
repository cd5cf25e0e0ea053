/** Bytes that are no HTTP/1.1 message; `status` is the answer where the peer is a client. */
export class Http1Error extends Error {
  override name = "Http1Error";
  constructor(readonly status: 400 | 405 | 417 | 431, message: string) {
    super(message);
  }
}

/** The first line is no HTTP at all: whoever speaks something else could not read an answer either. */
export class NotHttp1 extends Http1Error {
  override name = "NotHttp1";
  constructor() {
    super(400, "no HTTP request");
  }
}
