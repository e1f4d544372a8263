#include "api/router.h"

#include <span>

namespace mesh::api {

namespace {

// Pieces between slashes; a slash at the end does not make another piece.
std::vector<std::string_view> pieces_of(std::string_view path) {
  std::vector<std::string_view> pieces;
  while (!path.empty() && path.front() == '/') {
    path.remove_prefix(1);
    const auto end = path.find('/');
    const auto piece = path.substr(0, end);
    if (piece.empty() && (end == std::string_view::npos)) break;
    pieces.push_back(piece);
    path = end == std::string_view::npos ? std::string_view{} : path.substr(end);
  }
  return pieces;
}

bool is_named(std::string_view piece) { return piece.size() > 2 && piece.front() == '{' && piece.back() == '}'; }

}  // namespace

const std::string& Call::param(std::string_view name) const {
  static const std::string none;
  const auto found = params.find(name);
  return found == params.end() ? none : found->second;
}

std::string Call::query(std::string_view name) const { return std::string(request.query_value(name).value_or("")); }

struct Route {
  Answer answer;
  std::string pattern;
  std::vector<std::string> names;  // of the named pieces, in order
};

struct Router::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> fixed;
  std::unique_ptr<Node> named;
  std::map<std::string, Route, std::less<>> routes;  // by method

  // The deepest node that the pieces lead to and that answers something; `values` are of its named pieces.
  const Node* walk(std::span<const std::string_view> pieces, std::vector<std::string>& values) const {
    if (pieces.empty()) return routes.empty() ? nullptr : this;
    if (const auto found = fixed.find(pieces.front()); found != fixed.end()) {
      if (const Node* node = found->second->walk(pieces.subspan(1), values)) return node;
    }
    if (named == nullptr || pieces.front().empty()) return nullptr;
    values.emplace_back(pieces.front());
    if (const Node* node = named->walk(pieces.subspan(1), values)) return node;
    values.pop_back();
    return nullptr;
  }
};

Router::Router() : root_(std::make_unique<Node>()) {}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

void Router::add(std::string_view method, std::string_view pattern, Answer answer) {
  Route route{std::move(answer), std::string(pattern), {}};
  Node* node = root_.get();
  for (const auto piece : pieces_of(pattern)) {
    auto& next = is_named(piece) ? node->named : node->fixed[std::string(piece)];
    if (next == nullptr) next = std::make_unique<Node>();
    if (is_named(piece)) route.names.emplace_back(piece.substr(1, piece.size() - 2));
    node = next.get();
  }
  node->routes.insert_or_assign(std::string(method), std::move(route));
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
  Match match;
  std::vector<std::string> values;
  const auto pieces = pieces_of(path);
  if (path.empty() || path.front() != '/') return match;
  const Node* node = root_->walk(pieces, values);
  if (node == nullptr) return match;
  for (const auto& [name, route] : node->routes) match.allowed.push_back(name);
  const auto route = node->routes.find(method);
  if (route == node->routes.end()) return match;
  match.answer = &route->second.answer;
  match.pattern = route->second.pattern;
  for (std::size_t i = 0; i < route->second.names.size(); ++i) match.params[route->second.names[i]] = values[i];
  return match;
}

}  // namespace mesh::api
