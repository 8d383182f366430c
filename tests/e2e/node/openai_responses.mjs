// Asks a gateway for responses with the official openai client for Node.
// usage: node openai_responses.mjs BASE_URL TOKEN MODEL MARK
import OpenAI from "openai";
import { CALLS, DEGREES, PIXEL, citySchema, forecastSchema, user } from "./scenarios.mjs";
import { collected, failure, failuresByStatus, leftAfter, report } from "./scenarios.mjs";

const [baseURL, apiKey, model, mark] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 20_000 });
const tools = [{ type: "function", name: "get_weather", strict: false, parameters: citySchema }];

const respond = (input, fields = {}, options = {}) =>
  client.responses.create({ model, input, store: false, ...fields }, options);
const helped = (input, fields = {}) => client.responses.stream({ model, input, store: false, ...fields });

async function calling(stream) {
  const ask = (input) => (stream ? helped(input, { tools }).finalResponse() : respond(input, { tools }));
  const asked = user(`Weather? ${CALLS}`);
  const { output } = await ask(asked);
  const calls = output.filter((item) => item.type === "function_call");
  const results = calls.map((call, index) => ({
    type: "function_call_output",
    call_id: call.call_id,
    output: `${DEGREES[index]} degrees`,
  }));
  // The client's streams add what they have parsed, which is no part of the format.
  const replayed = output.map(({ parsed_arguments, ...item }) => item);
  return { calls, after: (await ask([...asked, ...replayed, ...results])).output_text };
}

const scenarios = {
  plain: () => respond("Hello, Ünïcode ✓", { instructions: `Be terse, ${mark}-instructions.` }),
  streamed: async () =>
    collected(await respond("Hello, Ünïcode ✓ [sim: chunks=5 prompt=11 completion=7]", { stream: true })),
  helper: async () => {
    const stream = helped("Hello [sim: chunks=4]");
    let heard = "";
    stream.on("response.output_text.delta", (event) => (heard += event.delta));
    return { final: (await stream.finalResponse()).output_text, heard };
  },
  tools: () => calling(false),
  tools_streamed: () => calling(true),
  structured: async () => {
    const format = { type: "json_schema", name: "forecast", strict: true, schema: forecastSchema };
    return (await client.responses.parse({ model, input: "Rome?", store: false, text: { format } })).output_parsed;
  },
  image: async () => {
    const image = { type: "input_image", image_url: `data:image/png;base64,${PIXEL}`, detail: "auto" };
    await respond(user([{ type: "input_text", text: `${mark}-image` }, image]));
    return PIXEL;
  },
  errors: () => failuresByStatus((input, stream) => respond(input, { stream })),
  bad_body: () => failure(respond(5)),
  wrong_token: () => {
    const stranger = new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 });
    return failure(stranger.responses.create({ model, input: "Hi" }));
  },
  unknown_model: () => failure(respond("Hi", { model: "gpt-5-maxi" })),
  // The client hands the error out as the event that it is: an `error` of its own, or the response that failed.
  broken_stream: async () => {
    const events = await collected(await respond("a b c d [sim: chunks=4 fail=cut@2]", { stream: true }));
    const last = events.at(-1);
    return { kinds: events.map((event) => event.type), message: (last.response?.error ?? last).message };
  },
  limited: () => failure(respond(`${mark}-limited [sim: status=429 retry_after=0]`, {}, { maxRetries: 1 })),
  timeout: () =>
    failure(respond("Hi [sim: silence=headers]", {}, { timeout: 500, headers: { "x-request-id": `${mark}-timeout` } })),
  abort: async () => {
    const options = { headers: { "x-request-id": `${mark}-abort` } };
    return leftAfter(3, await respond("Hi [sim: chunks=1000 gap_ms=20]", { stream: true }, options));
  },
};

await report(scenarios);
