// kv: a key-value service that keeps everything in memory. Each answer says in `x-kv-instance` which instance gave it.
//
//   GET    /api/key-value            all keys
//   GET    /api/key-value/{key}      {"key":…,"value":…}, 404 when there is none
//   PUT    /api/key-value/{key}      body {"value":…}
//   POST   /api/key-value/{key}/increment   adds 1 to a number, which begins at 0
//   DELETE /api/key-value/{key}
//   GET    /healthz
#include <boost/json.hpp>
#include <unistd.h>

#include <map>
#include <mutex>
#include <string>

#include "service.h"

namespace {

using namespace counter;
using mesh::wire::Request;
using mesh::wire::Response;
namespace json = boost::json;

constexpr std::string_view kPrefix = "/api/key-value";
constexpr std::string_view kIncrement = "/increment";
constexpr std::size_t kMostKeys = 10'000;

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

class KeyValues {
 public:
  Response answer(const Request& request) {
    std::string_view key = request.path;
    if (!key.starts_with(kPrefix)) return error_answer(404, "only /api/key-value is here");
    key.remove_prefix(kPrefix.size());
    std::lock_guard lock(mutex_);
    if (key.empty() || key == "/") return request.method == "GET" ? list() : error_answer(405, "use GET");
    key.remove_prefix(1);
    if (request.method == "POST" && key.ends_with(kIncrement)) {
      return increment(std::string(key.substr(0, key.size() - kIncrement.size())));
    }
    if (request.method == "GET") return get(std::string(key));
    if (request.method == "PUT") return put(std::string(key), request.body);
    if (request.method == "DELETE")
      return json_answer(200, json::serialize(json::object{{"deleted", values_.erase(std::string(key)) > 0}}));
    return error_answer(405, "use GET, PUT, DELETE, or POST to …/increment");
  }

 private:
  static Response shown(const std::string& key, const json::value& value) {
    return json_answer(200, json::serialize(json::object{{"key", key}, {"value", value}}));
  }
  Response list() const {
    json::array keys;
    for (const auto& [key, value] : values_) keys.emplace_back(key);
    return json_answer(200, json::serialize(json::object{{"keys", keys}}));
  }
  Response get(const std::string& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? error_answer(404, "no such key") : shown(key, found->second);
  }
  Response put(const std::string& key, const std::string& body) {
    boost::system::error_code problem;
    const json::value document = json::parse(body, problem);
    const json::value* value = problem ? nullptr : document.find_pointer("/value", problem);
    if (value == nullptr) return error_answer(400, "the body must be {\\\"value\\\": …}");
    if (values_.size() >= kMostKeys && !values_.contains(key)) return error_answer(507, "too many keys");
    return shown(key, values_[key] = *value);
  }
  Response increment(const std::string& key) {
    if (values_.size() >= kMostKeys && !values_.contains(key)) return error_answer(507, "too many keys");
    json::value& value = values_[key];
    if (value.is_null()) value = 0;
    if (!value.is_int64()) return error_answer(409, "the value is not a number");
    value = value.get_int64() + 1;
    return shown(key, value);
  }

  std::mutex mutex_;
  std::map<std::string, json::value> values_;
};

}  // namespace

int main() {
  const std::string instance = variable("INSTANCE", host_name());
  KeyValues values;
  mesh::wire::EventLoop loop(1);
  return serve("kv", "5050", loop, [&](const Request& request, mesh::wire::Respond respond) {
    Response response = values.answer(request);
    response.headers.add("x-kv-instance", instance);
    // Whom the proxy in front of us let in: with mutual TLS, the caller's SPIFFE ID.
    if (const auto caller = request.headers.find("x-forwarded-client-cert")) {
      response.headers.add("x-kv-caller", std::string(*caller));
    }
    respond(std::move(response));
  });
}
