// The port for those who watch the control plane: is it there, is it ready, its figures, the levels of its log.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/log.h"
#include "wire/http.h"

namespace prometheus {
class Registry;
}

namespace mesh {

// Thread-safe.
class Diagnostics {
 public:
  // `ready` says whether proxies and users are served; `metrics` gives the text for Prometheus.
  Diagnostics(std::function<bool()> ready, std::function<std::string()> metrics)
      : ready_(std::move(ready)), metrics_(std::move(metrics)) {}

  // GET /healthy, /ready, /metrics; GET and PUT /logging, DELETE /logging and /logging/{component}.
  wire::Response answer(const wire::Request& request);

 private:
  wire::Response logging(const wire::Request& request);
  wire::Response put_level(const std::string& body);
  wire::Response levels() const;

  const std::function<bool()> ready_;
  const std::function<std::string()> metrics_;
  mutable std::mutex mutex_;
  std::map<std::string, log::Level> changed_;  // by component: set by PUT
};

}  // namespace mesh
