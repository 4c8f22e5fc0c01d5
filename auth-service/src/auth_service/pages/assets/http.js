// One call of the API. It knows nothing of sessions.
const RETRIED = new Set([502, 503, 504]);

export class ApiError extends Error {
  constructor(status, error, retryAfter) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.retryAfter = retryAfter;
    this.fields = error.details?.errors ?? (error.field ? [error] : []);
  }
}

// Returns `{ data, metadata, etag }`. A call that may be repeated is, once: a POST under an idempotency key,
// unless a repetition is harmless.
export async function send(method, path, { body, token, headers = {}, keepalive = false, keyed = method === "POST" } = {}) {
  const options = {
    method,
    keepalive,
    cache: "no-store",
    headers: {
      // The language that was chosen on a page is that of mails too.
      "Accept-Language": document.documentElement.lang,
      ...headers,
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "Content-Type": "application/json" }),
      ...(keyed && { "Idempotency-Key": crypto.randomUUID() }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  };
  const first = await attempt(path, options);
  if (first && !RETRIED.has(first.status)) return read(first);
  await new Promise((done) => setTimeout(done, 1000));
  const second = await attempt(path, options);
  if (!second) throw new ApiError(0, { code: "OFFLINE" });
  // The first attempt has removed it, though its answer did not come.
  if (method === "DELETE" && second.status === 404) return { data: null };
  try {
    return await read(second);
  } catch (error) {
    throw Object.assign(error, { repeated: true });
  }
}

async function attempt(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    return null;
  }
}

async function read(response) {
  if (response.status === 204) return { data: null };
  let envelope;
  try {
    envelope = await response.json();
  } catch {
    throw new ApiError(response.status, { code: "INTERNAL" });
  }
  if (response.ok) return { ...envelope, etag: response.headers.get("ETag") };
  const retryAfter = Number(response.headers.get("Retry-After"));
  throw Object.assign(new ApiError(response.status, envelope.error, retryAfter), { data: envelope.data });
}
