// The API: requests, and what is said when one is refused.

import { askForToken } from "./session.js";

/** An answer that is not what was asked for; its message is the problem's detail. */
export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** What is wrong with an answer (RFC 9457, where it is from the service). */
async function problemOf(response) {
  const text = await response.text().catch(() => "");
  try {
    const problem = JSON.parse(text);
    return new Problem(response.status, problem.detail ?? problem.title ?? text);
  } catch {
    return new Problem(response.status, text || `${response.status} ${response.statusText}`);
  }
}

/** The answer to a request. Where the service wants a token, it is asked for, and the request sent again. */
export async function request(method, path, { body, headers } = {}) {
  for (;;) {
    let response;
    try {
      response = await fetch(path, { method, headers, body, credentials: "same-origin" });
    } catch {
      throw new Problem(0, "The service cannot be reached. Check that it is running and that you are online.");
    }
    if (response.status === 401) {
      await askForToken();
      continue;
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }
}

export async function get(path) {
  return (await request("GET", path)).json();
}

/** Sends JSON, or nothing; the answer's JSON where it has any. */
export async function send(method, path, body) {
  const headers = body === undefined ? undefined : { "content-type": "application/json" };
  const response = await request(method, path, { headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}
