// The judge's app, written as Bolt's own guide says. Environment: BASE (Web API), BOT_TOKEN, and either APP_TOKEN (Socket
// Mode) or SIGNING_SECRET and PORT (HTTP). Each event heard is a line on standard output.
import bolt from "@slack/bolt";

const { App, LogLevel } = bolt;
const { BASE, BOT_TOKEN, APP_TOKEN, SIGNING_SECRET, PORT } = process.env;
const app = new App({
  token: BOT_TOKEN,
  logLevel: LogLevel.ERROR,
  clientOptions: { slackApiUrl: BASE },
  ...(APP_TOKEN ? { socketMode: true, appToken: APP_TOKEN } : { signingSecret: SIGNING_SECRET }),
});

const plain = (text) => ({ type: "plain_text", text });

app.command("/judge", async ({ ack, body, client }) => {
  await ack();
  await client.views.open({
    trigger_id: body.trigger_id,
    view: {
      type: "modal",
      callback_id: "judge_form",
      title: plain("Judge"),
      submit: plain("Send"),
      blocks: [
        {
          type: "input",
          block_id: "name",
          label: plain("Name"),
          element: { type: "plain_text_input", action_id: "value" },
        },
      ],
    },
  });
});

app.view("judge_form", async ({ ack, view, body, client }) => {
  const name = view.state.values.name.value.value;
  if (name === "bad") {
    await ack({ response_action: "errors", errors: { name: "Choose another name" } });
    return;
  }
  await ack();
  const press = { type: "button", action_id: "judge_go", value: name, text: plain("Go") };
  await client.chat.postMessage({
    channel: body.user.id,
    text: `Hello ${name}`,
    blocks: [{ type: "actions", block_id: "row", elements: [press] }],
  });
});

app.action("judge_go", async ({ ack, body, action, client }) => {
  await ack();
  await client.chat.update({ channel: body.channel.id, ts: body.message.ts, text: `Done ${action.value}`, blocks: [] });
  await client.files.uploadV2({ channel_id: body.channel.id, filename: "report.csv", content: "a,b\n1,2\n" });
});

app.event("app_home_opened", async ({ event, client }) => {
  const blocks = [{ type: "header", text: plain("Judge's home") }];
  await client.views.publish({ user_id: event.user, view: { type: "home", blocks } });
});

app.event("app_mention", async ({ event, say }) => {
  await say({ text: "I am here", thread_ts: event.ts });
});

for (const name of ["tokens_revoked", "app_uninstalled"]) {
  app.event(name, async () => console.log(`heard ${name}`));
}

app.error(async (error) => console.log(`error ${error.message} ${JSON.stringify(error.original?.data ?? "")}`));
await app.start(APP_TOKEN ? undefined : Number(PORT));
console.log("started");
