// demo-app: a web page with a counter that lives in kv. It knows kv only by KV_URL, an address on loopback where its
// proxy listens; that the two talk through mutual TLS is not its business.
//
//   GET  /               the page
//   GET, POST, DELETE /api/counter    {"counter":…,"instance":…}
//   GET  /healthz
#include <boost/json.hpp>

#include <string>

#include "service.h"
#include "wire/client.h"

namespace {

using namespace counter;
using namespace mesh;
namespace json = boost::json;

constexpr const char* kPage = R"page(<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Counter</title>
<style>
 body{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;margin:0}
 main{text-align:center} #n{font-size:6rem;font-weight:600} button{font:inherit;padding:.5rem 1.2rem;margin:.2rem}
 small{color:#666}
</style>
<main><div id="n">…</div>
<button onclick="go('POST')">count</button> <button onclick="go('DELETE')">reset</button>
<p><small id="who"></small></p></main>
<script>
async function go(method) {
  const answer = await fetch('/api/counter', {method}), body = await answer.json();
  document.getElementById('n').textContent = answer.ok ? body.counter : '–';
  document.getElementById('who').textContent = answer.ok ? 'answered by ' + body.instance : body.error;
}
go('GET');
</script></html>
)page";

// What kv said about the counter, as our own answer.
wire::Response answer_from(const Result<wire::Response>& kv) {
  if (!kv) return error_answer(502, "kv cannot be reached");
  json::object body{{"counter", 0}, {"instance", std::string(kv->headers.find("x-kv-instance").value_or(""))}};
  if (kv->status == 200) {
    boost::system::error_code problem;
    const json::value document = json::parse(kv->body, problem);
    if (!problem && document.is_object() && document.get_object().contains("value"))
      body["counter"] = document.at("value");
  } else if (kv->status != 404) {  // 404: nobody has counted yet
    return error_answer(kv->status == 403 ? 403 : 502, "kv answered with status " + std::to_string(kv->status));
  }
  if (const auto caller = kv->headers.find("x-kv-caller")) body["caller"] = std::string(*caller);
  return json_answer(200, json::serialize(body));
}

}  // namespace

int main() {
  const std::string counter_url = variable("KV_URL", "http://127.0.0.1:6050") + "/api/key-value/counter";
  wire::EventLoop loop(1);
  return serve("demo-app", "5000", loop, [&](wire::Request request, wire::Respond respond) {
    if (request.path == "/" && request.method == "GET") {
      wire::Response page;
      page.headers.add("content-type", "text/html; charset=utf-8");
      page.body = kPage;
      return respond(std::move(page));
    }
    if (request.path != "/api/counter") return respond(error_answer(404, "there is / and /api/counter"));
    if (request.method != "GET" && request.method != "POST" && request.method != "DELETE") {
      return respond(error_answer(405, "use GET, POST or DELETE"));
    }
    wire::ClientRequest to_kv;
    to_kv.method = request.method;
    to_kv.url = request.method == "POST" ? counter_url + "/increment" : counter_url;
    to_kv.timeout = std::chrono::seconds(15);
    wire::fetch(loop, std::move(to_kv),
                [respond = std::move(respond)](const Result<wire::Response>& kv) mutable { respond(answer_from(kv)); });
  });
}
