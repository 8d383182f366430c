// Asks a gateway for messages with Anthropic's official client for Node.
// usage: node anthropic_messages.mjs BASE_URL TOKEN MODEL MARK
import Anthropic from "@anthropic-ai/sdk";
import { CALLS, DEGREES, PIXEL, citySchema, forecastSchema, user } from "./scenarios.mjs";
import { collected, failure, failuresByStatus, leftAfter, report } from "./scenarios.mjs";

const [baseURL, apiKey, model, mark] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0, timeout: 20_000 });
const tools = [{ name: "get_weather", input_schema: citySchema }];

const ask = (content, fields = {}, options = {}) =>
  client.messages.create({ model, max_tokens: 100, messages: user(content), ...fields }, options);
const helped = (messages, fields = {}) => client.messages.stream({ model, max_tokens: 100, messages, ...fields });

async function calling(stream) {
  const say = (messages) => (stream ? helped(messages, { tools }).finalMessage() : ask("", { messages, tools }));
  const asked = user(`Weather? ${CALLS}`);
  const called = await say(asked);
  const calls = called.content.filter((block) => block.type === "tool_use");
  const results = calls.map((call, index) => ({
    type: "tool_result",
    tool_use_id: call.id,
    content: `${DEGREES[index]} degrees`,
  }));
  const after = await say([...asked, { role: "assistant", content: called.content }, ...user(results)]);
  return { calls, stopped: [called.stop_reason, after.stop_reason], after: after.content[0].text };
}

function runner(stream) {
  const run = ({ city }) => `${DEGREES[["Paris", "Rome"].indexOf(city)]} degrees in ${city}`;
  return client.beta.messages
    .toolRunner({
      model,
      max_tokens: 100,
      messages: user(`Weather? ${mark}-runner ${CALLS}`),
      tools: [{ ...tools[0], run, parse: (input) => input }],
      stream,
    })
    .runUntilDone();
}

const scenarios = {
  plain: () => ask("Hello, Ünïcode ✓", { system: `Be terse, ${mark}-system.` }),
  request_id: async () => (await ask("Hi", {}, { headers: { "x-request-id": `${mark}-id` } }))._request_id,
  streamed: async () =>
    collected(await ask("Hello, Ünïcode ✓ [sim: chunks=5 prompt=11 completion=7]", { stream: true })),
  helper: async () => {
    const stream = helped(user("Hello [sim: chunks=4]"));
    let heard = "";
    stream.on("text", (delta) => (heard += delta));
    return { final: await stream.finalText(), heard };
  },
  tools: () => calling(false),
  tools_streamed: () => calling(true),
  // Both begin as a thread, which the server would keep, and go on without where none is kept.
  tool_runner: async () => (await runner(false)).content[0].text,
  tool_runner_streamed: async () => (await runner(true)).content[0].text,
  structured: async () => {
    const format = { type: "json_schema", schema: forecastSchema };
    return JSON.parse((await ask("Rome?", { output_config: { format } })).content[0].text);
  },
  image: async () => {
    const source = { type: "base64", media_type: "image/png", data: PIXEL };
    await ask([{ type: "text", text: `${mark}-image` }, { type: "image", source }]);
    return PIXEL;
  },
  counted: () => client.messages.countTokens({ model, messages: user("Hello there") }),
  models: async () => ({
    listed: (await collected(client.models.list())).map((one) => one.id),
    one: await client.models.retrieve(model),
  }),
  errors: () => failuresByStatus((content, stream) => ask(content, { stream })),
  overloaded: () => failure(ask("Hi [sim: status=529]")),
  bad_body: () => failure(ask(5)),
  wrong_token: () => failure(new Anthropic({ baseURL, apiKey: "wrong", maxRetries: 0 }).models.list()),
  unknown_model: () => failure(ask("Hi", { model: "claude-maxi" })),
  broken_stream: async () => failure(collected(await ask("a b c d [sim: chunks=4 fail=cut@2]", { stream: true }))),
  limited: () => failure(ask(`${mark}-limited [sim: status=429 retry_after=0]`, {}, { maxRetries: 1 })),
  timeout: () =>
    failure(ask("Hi [sim: silence=headers]", {}, { timeout: 500, headers: { "x-request-id": `${mark}-timeout` } })),
  abort: async () => {
    const options = { headers: { "x-request-id": `${mark}-abort` } };
    return leftAfter(3, await ask("Hi [sim: chunks=1000 gap_ms=20]", { stream: true }, options));
  },
};

await report(scenarios);
