// From method and path to the function that answers. Patterns are paths with named pieces,
// "/meshes/{mesh}/dataplanes/{name}"; where a fixed piece and a named one both fit, the fixed one is taken first.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "identity/tokens.h"
#include "wire/http.h"

namespace mesh::api {

// One request on its way to its handler.
struct Call {
  const wire::Request& request;
  User user;
  std::map<std::string, std::string, std::less<>> params;  // by the names in the pattern

  std::string_view pattern;

  // Empty when the pattern has no such piece.
  const std::string& param(std::string_view name) const;
  // Empty when the query has no such key; of several the first counts.
  std::string query(std::string_view name) const;
};

using Answer = std::function<wire::Response(const Call&)>;

// Fill it first, then use it from any thread.
class Router {
 public:
  Router();
  ~Router();
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;

  // A second handler for the same method and pattern replaces the first.
  void add(std::string_view method, std::string_view pattern, Answer answer);

  struct Match {
    const Answer* answer = nullptr;  // null: see allowed
    std::map<std::string, std::string, std::less<>> params;
    std::string_view pattern;
    std::vector<std::string> allowed;  // methods that this path has; empty: no such path
  };
  Match find(std::string_view method, std::string_view path) const;

 private:
  struct Node;
  std::unique_ptr<Node> root_;
};

}  // namespace mesh::api
