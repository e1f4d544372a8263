// Which foreign web pages may use this API from a browser. By default none: no header is sent, and browsers refuse.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "wire/http.h"

namespace mesh::api {

class Cors {
 public:
  // Origins ("https://mesh.example.com") or host names; ".*" or "*" stands for all.
  explicit Cors(std::vector<std::string> allowed) : allowed_(std::move(allowed)) {}

  // Nothing when the request is not a preflight of an allowed page.
  std::optional<wire::Response> answer_preflight(const wire::Request& request) const;
  void add_headers(const wire::Request& request, wire::Response& response) const;

 private:
  bool allows(std::string_view origin) const;
  std::vector<std::string> allowed_;
};

}  // namespace mesh::api
