// What Envoy writes for access logs that go to a TCP server (MeshAccessLog with a TCP backend): one line of text for
// each entry, with the address of its server in it, so that one pipe serves any number of servers.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::sidecar {

struct AccessLogLine {
  std::string address;  // "host:port", as it was written
  std::string message;  // to be sent as it is, with its end of line
};

// {"address":"host:port","message":"text\n"}, or with an object as the message; or "host:port;text". `line` without its
// end of line.
Result<AccessLogLine> parse_access_log_line(std::string_view line);

// Cuts what is read into lines. One that is longer than `max_line` is thrown away up to its end.
class LineCutter {
 public:
  explicit LineCutter(std::size_t max_line) : max_line_(max_line) {}

  template <class OnLine>
  void feed(std::string_view bytes, const OnLine& on_line) {
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      const std::string_view part = bytes.substr(0, end);
      if (!is_skipping_ && begun_.size() + part.size() > max_line_) {
        is_skipping_ = true;
        begun_ = {};
        ++too_long_;
      }
      if (end == std::string_view::npos) {
        if (!is_skipping_) begun_.append(part);
        return;
      }
      if (!is_skipping_) {
        if (begun_.empty()) {
          on_line(part);
        } else {
          begun_.append(part);
          on_line(std::string_view(begun_));
          begun_.clear();
        }
      }
      is_skipping_ = false;
      bytes.remove_prefix(end + 1);
    }
  }
  std::size_t too_long() const { return too_long_; }

 private:
  const std::size_t max_line_;
  std::string begun_;
  bool is_skipping_ = false;
  std::size_t too_long_ = 0;
};

}  // namespace mesh::sidecar
