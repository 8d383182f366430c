// What the drivers share: each runs its scenarios one after the other, and prints what came of them as one JSON object.

export const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

export const citySchema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

export const forecastSchema = {
  type: "object",
  properties: { city: { type: "string" }, degrees: { type: "integer" } },
  required: ["city", "degrees"],
  additionalProperties: false,
};

export const CALLS = '[sim: tool=get_weather args={"city":"Paris"} tool=get_weather args={"city":"Rome"} fragments=5]';
export const DEGREES = [18, 25];
export const STATUSES = [400, 401, 403, 404, 429, 500];

export const user = (content) => [{ role: "user", content }];

export async function collected(stream) {
  const all = [];
  for await (const one of stream) all.push(one);
  return all;
}

// Leaving the loop aborts the request.
export async function leftAfter(count, stream) {
  let seen = 0;
  for await (const one of stream) if (++seen === count) break;
  return seen;
}

export async function failure(promise) {
  try {
    const answer = await promise;
    return { kind: "none", answer };
  } catch (error) {
    return {
      kind: error.constructor.name,
      status: error.status ?? null,
      type: error.type ?? null,
      code: error.code ?? null,
      param: error.param ?? null,
      message: error.message,
      requestId: error.requestID ?? null,
    };
  }
}

// What each status of a provider becomes, where `ask` is given the text and whether to stream.
export async function failuresByStatus(ask) {
  const found = {};
  for (const status of STATUSES) {
    found[status] = await failure(ask(`Hi [sim: status=${status}]`, false));
    found[`${status} streamed`] = await failure(ask(`Hi [sim: status=${status}]`, true));
  }
  return found;
}

export async function report(scenarios) {
  const results = {};
  for (const [name, run] of Object.entries(scenarios)) {
    try {
      results[name] = { value: (await run()) ?? null };
    } catch (error) {
      results[name] = { thrown: `${error.constructor.name}: ${error.message}` };
    }
  }
  console.log(JSON.stringify(results));
}
