// The names of emoji that apps use most; an unknown name stays as it was written.

export const EMOJI = {
  white_check_mark: "✅", heavy_check_mark: "✔️", x: "❌", warning: "⚠️", rotating_light: "🚨", red_circle: "🔴", large_green_circle: "🟢",
  large_yellow_circle: "🟡", large_orange_circle: "🟠", large_blue_circle: "🔵", white_circle: "⚪", black_circle: "⚫",
  arrows_counterclockwise: "🔄", hourglass: "⌛", hourglass_flowing_sand: "⏳", double_vertical_bar: "⏸️", pause_button: "⏸️",
  arrow_forward: "▶️", bell: "🔔", no_bell: "🔕", lock: "🔒", unlock: "🔓", key: "🔑", link: "🔗", busts_in_silhouette: "👥",
  bust_in_silhouette: "👤", wave: "👋", tada: "🎉", rocket: "🚀", eyes: "👀", chart_with_upwards_trend: "📈", bar_chart: "📊",
  chart_with_downwards_trend: "📉", calendar: "📅", clock1: "🕐", mag: "🔍", gear: "⚙️", hammer_and_wrench: "🛠️", bulb: "💡", memo: "📝",
  page_facing_up: "📄", file_folder: "📁", inbox_tray: "📥", outbox_tray: "📤", email: "📧", phone: "☎️", speech_balloon: "💬",
  thumbsup: "👍", "+1": "👍", thumbsdown: "👎", "-1": "👎", raised_hands: "🙌", pray: "🙏", heart: "❤️", fire: "🔥", star: "⭐", zap: "⚡",
  no_entry: "⛔", no_entry_sign: "🚫", information_source: "ℹ️", question: "❓", exclamation: "❗", point_right: "👉", arrow_right: "➡️",
  arrow_up: "⬆️", arrow_down: "⬇️", small_blue_diamond: "🔹", sparkles: "✨", wastebasket: "🗑️", pencil2: "✏️", electric_plug: "🔌",
  smile: "😄", slightly_smiling_face: "🙂", thinking_face: "🤔", zzz: "💤", sleeping: "😴", robot_face: "🤖", shield: "🛡️", house: "🏠",
};
