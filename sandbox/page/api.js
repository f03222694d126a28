// Everything the page asks of the stand-in. The page keeps no truth of its own.

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || `the stand-in answered ${response.status}`);
  return body;
}

export const get = (path) => fetch(path).then(answer);

export function post(row, body) {
  const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return fetch(`/control/${row}`, options).then(answer);
}

export function watch(user, changed) {
  const source = new EventSource(`/page/events?user=${user}`);
  source.onmessage = () => changed();
  source.onopen = () => changed();
  return () => source.close();
}
