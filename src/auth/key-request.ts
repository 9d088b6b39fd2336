/** One request for the keys of an issuer, with an end to its time and to its size. */

/** From the request to the last byte of the answer, in milliseconds. */
export const REQUEST_MS = 5_000;

/** Bytes of a key set at most, once it is unpacked; with certificates real ones have some 10 KB. */
const MAX_BYTES = 524_288;

const LATE = `no whole answer came within ${REQUEST_MS} ms`;

export type Requested =
  | { readonly text: string }
  /** Why there is none, for the log. */
  | { readonly fault: string };

/**
 * What is at the address; `aborter` gives it up. Redirects are not followed: they would lead to hosts that
 * nobody named.
 */
export async function requestKeys(url: string, aborter: AbortController): Promise<Requested> {
  const { signal } = aborter;
  // Not AbortSignal.timeout: one that only AbortSignal.any refers to may be collected before its time.
  const late = setTimeout(() => aborter.abort(new Error(LATE)), REQUEST_MS);
  try {
    const headers = { accept: 'application/jwk-set+json, application/json' };
    const response = await fetch(url, { signal, headers, redirect: 'manual' });
    if (response.status === 200) return await textOf(response);
    await response.body?.cancel();
    return { fault: `the answer was ${response.status}${hintFor(response.status)}` };
  } catch (error) {
    return { fault: faultOf(error) };
  } finally {
    clearTimeout(late);
  }
}

async function textOf({ body }: Response): Promise<Requested> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop ends the connection.
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_BYTES) return { fault: `the answer is larger than ${MAX_BYTES} bytes` };
    chunks.push(chunk);
  }
  return { text: Buffer.concat(chunks).toString() };
}

const hintFor = (status: number): string =>
  status >= 300 && status < 400 ? ', and redirects are not followed: give the address itself' : '';

function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  return 'code' in cause ? String(cause.code) : cause.message;
}
