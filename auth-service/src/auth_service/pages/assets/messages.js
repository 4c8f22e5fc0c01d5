// The messages that scripts show, in the page's language. `script` in the catalogs has them.
const response = await fetch(document.body.dataset.messages);
const messages = await response.json();

export const language = document.documentElement.lang;

export function t(name, values = {}) {
  const message = messages[name] ?? name;
  return message.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

// What an error of the API means to its reader: beside a field what is wrong with it, otherwise what to do.
export function problem(error) {
  // What is in the way is in the API's words alone.
  if (error.code === "CONFLICT") return fieldProblem(error.message, error.code);
  const seconds = error.retryAfter;
  const wait = seconds > 90 ? t("wait_minutes", { n: Math.ceil(seconds / 60) }) : t("wait_seconds", { n: seconds || 5 });
  return messages[`errors.${error.code}`]?.replace("{wait}", wait) ?? t("errors.INTERNAL");
}

// The API's words are English sentences; catalogs have them in groups, with `{n}` in place of numbers.
export function known(group, words) {
  const number = /\d+/.exec(words)?.[0];
  return messages[`${group}.${words.replace(/\d+/, "{n}")}`]?.replace("{n}", number);
}

export const knownProblem = (words) => known("rules", words);

export function fieldProblem(words, code) {
  const translated = knownProblem(words);
  if (translated) return translated;
  return language === "en" ? sentence(words) : t(messages[`rules.${code}`] ? `rules.${code}` : "rules.VALIDATION_ERROR");
}

export function time(text) {
  if (!text) return t("never");
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(text));
}

function sentence(words) {
  const capital = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
