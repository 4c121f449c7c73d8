// Answers every request with a greeting: the HTTP guest in JavaScript.

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const { pathname } = new URL(request.url);
  if (pathname === "/echo") {
    return new Response(await request.text());
  }
  return new Response("Hello from JavaScript!\n");
}
