/** The parts of HTTP's grammar that keep one message from being read as another; one character a byte. */

/** RFC 9110 section 5.6.2. */
export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** No control character but tab: some servers take a vertical tab or a form feed for the end of a line. */
export const FIELD_VALUE = /^[\t -~\x80-\xff]*$/;
/** `uri-host [":" port]` (RFC 3986 section 3.2.2), without user information; may be empty. */
export const AUTHORITY = /^[A-Za-z0-9\-._~%!$&'()*+,;=:[\]]*$/;
/** A path with its query: no space and no control character, or a second server reads another request line. */
export const ORIGIN_FORM = /^\/[!-~\x80-\xff]*$/;
