// POST /tokens/dataplane, /tokens/zone, /tokens/user: a JSON request, the token as plain text.
#include <fmt/format.h>

#include <chrono>
#include <optional>

#include "api/context.h"
#include "api/json_text.h"
#include "api/problem.h"

namespace mesh::api {

namespace {

using boost::json::object;
using boost::json::value;

constexpr Duration kUnlimited = std::chrono::hours(24 * 365 * 10);  // what a request without validFor gets

// Reads the fields of a request and collects what is wrong with them.
class Fields {
 public:
  explicit Fields(const object& body) : body_(body) {}

  std::string text(const char* name) {
    const value* found = find(name);
    if (found == nullptr) return {};
    if (found->is_string()) return std::string(found->get_string());
    violations.push_back({name, "must be a string"});
    return {};
  }

  // Nothing when the field is not there.
  std::optional<std::vector<std::string>> texts(const char* name) {
    const value* found = find(name);
    if (found == nullptr) return std::nullopt;
    return texts_of(*found, name);
  }

  std::map<std::string, std::set<std::string>> tags(const char* name) {
    const value* found = find(name);
    if (found == nullptr) return {};
    std::map<std::string, std::set<std::string>> out;
    if (!found->is_object()) {
      violations.push_back({name, "must be an object of lists"});
      return {};
    }
    for (const auto& [key, list] : found->get_object()) {
      const auto texts = texts_of(list, fmt::format("{}[\"{}\"]", name, std::string_view(key)));
      out[std::string(key)] = {texts.begin(), texts.end()};
    }
    return out;
  }

  Duration valid_for(bool is_required) {
    const std::string given = text("validFor");
    if (given.empty()) {
      if (is_required) violations.push_back({"validFor", "cannot be empty"});
      return kUnlimited;
    }
    const auto duration = parse_duration(given);
    if (!duration) {
      violations.push_back({"validFor", fmt::format("is \"{}\"; must be a duration such as 24h or 30m", given)});
    } else if (*duration <= Duration::zero()) {
      violations.push_back({"validFor", fmt::format("is {}; must be more than 0s", given)});
    }
    return duration.value_or(kUnlimited);
  }

  std::vector<Violation> violations;

 private:
  const value* find(const char* name) const {
    const value* found = body_.if_contains(name);
    return found == nullptr || found->is_null() ? nullptr : found;
  }

  std::vector<std::string> texts_of(const value& list, const std::string& name) {
    std::vector<std::string> out;
    if (!list.is_array()) {
      violations.push_back({name, "must be a list of strings"});
      return out;
    }
    for (const auto& item : list.get_array()) {
      if (item.is_string()) {
        out.emplace_back(item.get_string());
      } else {
        violations.push_back({fmt::format("{}[{}]", name, out.size()), "must be a string"});
      }
    }
    return out;
  }

  const object& body_;
};

wire::Response token_response(const Result<Secret>& token) {
  if (token) return text_response(200, token->reveal());
  if (token.error().kind == ErrorKind::NotFound)
    return problem_response({404, "Signing Key not found", token.error().text, {}});
  return error_response(token.error(), "Could not issue a token");
}

std::optional<wire::Response> refuse(const Context& context, const Call& call, const Allowed& who,
                                     std::string_view what) {
  if (const auto allowed = check_access(who, call.user, what); !allowed)
    return error_response(allowed.error(), "Could not issue a token");
  if (!context.settings.enable_token_issuer) {
    return problem_response({400, "Could not issue a token", "This control plane does not issue tokens", {}});
  }
  return std::nullopt;
}

wire::Response invalid_request(std::vector<Violation> violations) {
  return error_response({ErrorKind::Invalid, {}, {}, std::move(violations)}, "Invalid request");
}

wire::Response dataplane_token(const Context& context, const Call& call, const object& body) {
  Fields fields(body);
  DataplaneClaims claims{.name = fields.text("name"),
                         .mesh = fields.text("mesh"),
                         .tags = fields.tags("tags"),
                         .type = fields.text("type"),
                         .workload = fields.text("workload")};
  const Duration valid_for = fields.valid_for(false);
  if (claims.mesh.empty()) fields.violations.insert(fields.violations.begin(), {"mesh", "cannot be empty"});
  if (!claims.type.empty() && claims.type != "dataplane" && claims.type != "ingress" && claims.type != "egress") {
    fields.violations.push_back({"type", fmt::format("is \"{}\"; may be dataplane, ingress or egress", claims.type)});
  }
  if (!fields.violations.empty()) return invalid_request(std::move(fields.violations));
  if (auto refused = refuse(context, call, context.settings.access.generate_dp_token, "generate dataplane tokens"))
    return *refused;
  return token_response(context.parts.issuer.issue(claims, valid_for));
}

wire::Response zone_token(const Context& context, const Call& call, const object& body) {
  if (auto refused = refuse(context, call, context.settings.access.generate_zone_token, "generate zone tokens"))
    return *refused;
  Fields fields(body);
  const std::string zone = fields.text("zone");
  const auto scope = fields.texts("scope");
  const Duration valid_for = fields.valid_for(false);
  if (!scope) fields.violations.push_back({"scope", "cannot be empty"});
  if (!fields.violations.empty()) return invalid_request(std::move(fields.violations));
  return token_response(context.parts.issuer.issue(ZoneClaims{zone, *scope}, valid_for));
}

wire::Response user_token(const Context& context, const Call& call, const object& body) {
  if (auto refused = refuse(context, call, context.settings.access.generate_user_token, "generate user tokens"))
    return *refused;
  Fields fields(body);
  const User user{fields.text("name"), fields.texts("groups").value_or(std::vector<std::string>{})};
  if (user.name.empty()) fields.violations.push_back({"name", "cannot be empty"});
  const Duration valid_for = fields.valid_for(true);
  if (!fields.violations.empty()) return invalid_request(std::move(fields.violations));
  return token_response(context.parts.issuer.issue(user, valid_for));
}

using Issue = wire::Response (*)(const Context&, const Call&, const object&);

void add(Router& router, const Context& context, const char* path, Issue issue) {
  router.add("POST", path, [&context, issue](const Call& call) {
    if (!is_json(call.request)) return text_response(415, "415: Unsupported Media Type");
    const auto body = parse_json(call.request.body);
    if (!body) return error_response(body.error(), "Invalid request");
    if (!body->is_object()) return error_response(invalid({}, "the body must be a JSON object"), "Invalid request");
    return issue(context, call, body->get_object());
  });
}

}  // namespace

void add_token_routes(Router& router, const Context& context) {
  add(router, context, "/tokens/dataplane", dataplane_token);
  add(router, context, "/tokens/zone", zone_token);
  add(router, context, "/tokens/user", user_token);
}

}  // namespace mesh::api
