// A plain request of a client on HTTP/2, and its answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wire/client.h"

namespace mesh::wire {

class Http2Exchange {
 public:
  // `on_result` runs once: with the answer, or with why there is none.
  Http2Exchange(ClientRequest request, OnResponse on_result);

  const ClientRequest& request() const { return request_; }
  std::size_t unsent() const { return request_.body.size() - sent_; }
  void take_body(std::string& out, std::size_t size);

  // False: the answer is too large; nothing more of it is taken.
  bool on_header(std::string_view name, std::string_view value);
  bool on_data(std::string_view bytes);
  void on_closed(std::uint32_t error_code);
  void on_lost(const Error& reason) { finish(reason); }

 private:
  bool refuse();
  void finish(Result<Response> result);

  ClientRequest request_;
  std::size_t sent_ = 0, header_bytes_ = 0;
  Response response_{.status = 0, .headers = {}, .body = {}};
  OnResponse on_result_;
};

}  // namespace mesh::wire
