// From a request to its answer: who asks, which route, and the headers that every answer has.
#include <algorithm>

#include "api/api_server.h"
#include "api/authentication.h"
#include "api/context.h"
#include "api/cors.h"
#include "api/json_text.h"
#include "api/problem.h"
#include "api/router.h"

namespace mesh {

struct Api::Rooms {
  api::Context context;
  api::Router router;
  api::Cors cors;
};

namespace {

using namespace api;

Router make_router(const Context& context) {
  Router router;
  add_resource_routes(router, context);
  add_overview_routes(router, context);
  add_insight_routes(router, context);
  add_inspect_routes(router, context);
  add_match_routes(router, context);
  add_service_routes(router, context);
  add_token_routes(router, context);
  add_about_routes(router, context);
  return router;
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// Answers are JSON; whoever cannot take that is told so.
bool accepts_json(const wire::Request& request) {
  const auto accept = request.headers.find("accept");
  if (!accept || accept->empty()) return true;
  return accept->find("*/*") != std::string_view::npos || accept->find("application/json") != std::string_view::npos ||
         accept->find("application/*") != std::string_view::npos;
}

wire::Response not_found(const Router::Match& match) {
  if (match.allowed.empty()) return text_response(404, "404: Page Not Found");
  auto response = text_response(405, "405: Method Not Allowed");
  response.headers.add("allow", join(match.allowed));
  return response;
}

wire::Response dispatch(const Context& context, const Router& router, const wire::Request& request) {
  const bool is_head = request.method == "HEAD";
  auto match = router.find(is_head ? "GET" : request.method, request.path);
  if (match.answer == nullptr) return not_found(match);
  if (!accepts_json(request))
    return text_response(406, "406: Not Acceptable\n\nAvailable representations: application/json");
  User user = anonymous_user();
  if (match.pattern != "/") {  // the index is for everybody, also with a token that no longer holds
    auto known =
        authenticate(request, {context.settings.localhost_is_admin, context.settings.accept_client_certificates},
                     context.parts.verifier);
    if (!known) return error_response(known.error(), "Invalid authentication data");
    user = std::move(*known);
  }
  auto response = (*match.answer)(Call{request, std::move(user), std::move(match.params), match.pattern});
  if (is_head) response.body.clear();
  return response;
}

}  // namespace

Api::Api(ApiParts parts, ApiSettings settings) {
  Cors cors(settings.cors_allowed_domains);
  auto rooms = std::make_unique<Rooms>(Context{parts, std::move(settings)}, Router(), std::move(cors));
  rooms->router = make_router(rooms->context);
  rooms_ = std::move(rooms);
}

Api::~Api() = default;

wire::Response Api::answer(const wire::Request& request) const {
  if (auto preflight = rooms_->cors.answer_preflight(request)) return *preflight;
  auto response = dispatch(rooms_->context, rooms_->router, request);
  rooms_->cors.add_headers(request, response);
  response.headers.set("x-content-type-options", "nosniff");
  return response;
}

}  // namespace mesh
