import { HttpError } from "./http.ts";

/** What a call gives; `undefined` where the other side says that it is not there (404). */
export async function unlessMissing<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof HttpError && error.status === 404) return undefined;
    throw error;
  }
}
