// Where to go after signing in: a path of this origin, whatever the address of this page asks for.
const START = "/account";

export function nextPage(asked) {
  if (!asked?.startsWith("/")) return START;
  let url;
  try {
    url = new URL(asked, location.origin);
  } catch {
    return START;
  }
  const isOurs = url.origin === location.origin && !url.username && !url.password;
  if (!isOurs || url.pathname === "/signin" || url.pathname.startsWith("/api/")) return START;
  // The whole address: a path alone may begin with `//`, as that of `/.//elsewhere.example` does, and so name a host.
  return url.href;
}
