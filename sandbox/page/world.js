// People, apps and conversations, as the page last heard of them.

export const world = { people: [], apps: [], channels: [], files: [] };
const names = new Map();

export function learn(details) {
  Object.assign(world, { people: details.people, apps: details.apps, channels: details.channels, files: details.files || [] });
  for (const known of [...world.people, ...world.apps, ...world.channels]) names.set(known.id, known.name);
  for (const channel of world.channels) if (!channel.name) names.set(channel.id, "a direct message");
}

// The reader's time zone, as their profile has it. `person`: who is at the screen.
export const reader = { zone: undefined };
export function readAs(person) {
  reader.zone = world.people.find((known) => known.id === person)?.tz;
}

export const nameOf = (id) => names.get(id) || id;

// A callback id as words, where an app gives no name: "create_sync" is "Create sync".
export const words = (id) => id.replaceAll(/[_-]/g, " ").replace(/^./, (first) => first.toUpperCase());
