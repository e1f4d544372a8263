// A control plane that says what a test tells it to, and remembers what it was asked.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "wire/event_loop.h"
#include "wire/http.h"
#include "wire/server.h"

namespace mesh::cli {

class FakeControlPlane {
 public:
  FakeControlPlane();
  std::string url() const;

  // `request` is "GET /meshes" or, with a query, "GET /meshes?size=100".
  void answer(const std::string& request, int status, std::string body);
  std::vector<std::string> requests() const;              // "PUT /meshes/default", in their order
  std::string body_of(const std::string& request) const;  // of the last such request
  std::string header_of(const std::string& request, std::string_view name) const;

 private:
  wire::Response respond(wire::Request request);

  mutable std::mutex mutex_;
  std::map<std::string, wire::Response> answers_;
  std::vector<std::pair<std::string, wire::Request>> seen_;
  wire::EventLoop loop_{1};
  std::unique_ptr<wire::Server> server_;
};

}  // namespace mesh::cli
