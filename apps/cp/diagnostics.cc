#include "cp/diagnostics.h"

#include <boost/json.hpp>

#include <utility>

namespace mesh {
namespace {

constexpr std::size_t kMaxComponents = 100;
constexpr std::string_view kLogging = "/logging";

wire::Response text(int status, std::string body, std::string type = "text/plain; charset=utf-8") {
  wire::Response out;
  out.status = status;
  out.headers.set("Content-Type", std::move(type));
  out.body = std::move(body);
  return out;
}

std::string string_at(const boost::json::object& object, std::string_view key) {
  const boost::json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

wire::Response Diagnostics::answer(const wire::Request& request) {
  if (request.path == kLogging || request.path.starts_with(std::string(kLogging) + "/")) return logging(request);
  if (request.method != "GET" && request.method != "HEAD") return text(405, "method not allowed\n");
  if (request.path == "/healthy") return text(200, "");
  if (request.path == "/ready") return ready_() ? text(200, "") : text(503, "");
  if (request.path == "/metrics") return text(200, metrics_(), "text/plain; version=0.0.4; charset=utf-8");
  return text(404, "404 page not found\n");
}

wire::Response Diagnostics::logging(const wire::Request& request) {
  if (request.method == "GET" && request.path == kLogging) return levels();
  if (request.method == "PUT" && request.path == kLogging) return put_level(request.body);
  if (request.method != "DELETE") return text(405, "method not allowed\n");
  const std::string component = request.path == kLogging ? "" : request.path.substr(kLogging.size() + 1);
  {
    std::lock_guard lock(mutex_);
    for (auto at = changed_.begin(); at != changed_.end();) {
      const auto here = at++;
      if (!component.empty() && here->first != component) continue;
      log::set_level(here->first, log::level_of(""));
      changed_.erase(here);
    }
  }
  return levels();
}

wire::Response Diagnostics::put_level(const std::string& body) {
  boost::system::error_code problem;
  const boost::json::value document = boost::json::parse(body, problem);
  const boost::json::object* object = problem ? nullptr : document.if_object();
  if (object == nullptr)
    return text(400, "invalid request body: expected {\"component\": \"ads\", \"level\": \"debug\"}\n");
  const std::string component = string_at(*object, "component");
  log::Level level{};
  if (component.empty() || component.size() > 100) return text(400, "component: is missing, or too long\n");
  if (!log::parse_level(string_at(*object, "level"), level))
    return text(400, "invalid log level: may be debug, info, warn, error or off\n");
  {
    std::lock_guard lock(mutex_);
    if (changed_.size() >= kMaxComponents && !changed_.contains(component)) return text(429, "too many components\n");
    changed_[component] = level;
  }
  log::set_level(component, level);
  return levels();
}

wire::Response Diagnostics::levels() const {
  boost::json::object components;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [component, level] : changed_) components[component] = log::level_name(level);
  }
  return text(200, boost::json::serialize(boost::json::object{{"components", std::move(components)}}),
              "application/json");
}

}  // namespace mesh
