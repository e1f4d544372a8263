#include "wire/http1_client.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

#include "wire/asio.h"  // before Beast, which includes Asio's buffers
#include "wire/chunked.h"
#include "wire/output_queue.h"
#include "wire/text.h"

namespace mesh::wire {

namespace {

namespace http = boost::beast::http;
using Parser = http::response_parser<http::string_body>;

constexpr std::uint32_t kMaxHeaderBytes = 128U << 10;

class Http1Client final : public Protocol {
 public:
  Http1Client(ProtocolHost& host, const ClientUrl& url, ClientRequest request, OnResponse on_result)
      : host_(host),
        max_bytes_(request.max_response_bytes),
        is_head_(request.method == "HEAD"),
        on_result_(std::move(on_result)) {
    begin_response();
    std::string head = fmt::format("{} {} HTTP/1.1\r\n", request.method, url.target);
    if (!request.headers.find("host")) head += fmt::format("Host: {}\r\n", url.authority);
    if (!request.headers.find("user-agent")) head += "User-Agent: taskmesh\r\n";
    for (const auto& [name, value] : request.headers.all()) {
      if (!is_field_name(name) || is_about_connection(name)) continue;
      head += fmt::format("{}: {}\r\n", name, clean_field_value(value));
    }
    bool has_body =
        !request.body.empty() || (request.method != "GET" && request.method != "HEAD" && request.method != "DELETE");
    if (has_body) head += fmt::format("Content-Length: {}\r\n", request.body.size());
    head += "Connection: close\r\n\r\n";
    output_.add(std::move(head));
    output_.add(std::move(request.body));
    host_.wake();
  }

  void on_bytes(std::string_view bytes) override {
    if (!on_result_) return;
    input_.append(bytes);
    while (on_result_ && !input_.empty()) {
      if (awaits_more_of_a_chunk(*parser_, input_.size())) return;
      boost::system::error_code error;
      std::size_t used = parser_->put(boost::asio::buffer(input_.data(), input_.size()), error);
      input_.erase(0, used);
      if (error == http::error::need_more) error = {};
      if (error) return fail(error);
      if (input_.size() > kMaxHeaderBytes && !parser_->is_done()) return fail(http::error::header_limit);
      if (!parser_->is_done()) return;
      if (is_interim()) {
        begin_response();
      } else {
        succeed();
      }
    }
  }

  void on_end() override {
    if (!on_result_) return;
    boost::system::error_code error;
    if (parser_->got_some()) parser_->put_eof(error);
    if (!parser_->got_some() || error || !parser_->is_done()) {
      return finish(
          mesh::error(ErrorKind::Unavailable, "the server closed the connection before its answer was complete"));
    }
    succeed();
  }

  void on_lost(const Error& reason) override { finish(reason); }
  void take_output(std::string& out, std::size_t limit) override { output_.take(out, limit); }
  bool wants_input() const override { return true; }
  bool is_done() const override { return !on_result_; }
  SteadyTime deadline() const override { return kNever; }  // the whole request has one
  void on_deadline(SteadyTime) override {}
  Duration write_timeout() const override { return std::chrono::hours(1); }
  void drain() override {}

 private:
  void begin_response() {
    parser_ = std::make_unique<Parser>();
    parser_->header_limit(kMaxHeaderBytes);
    parser_->body_limit(max_bytes_);
    parser_->eager(true);
    if (is_head_) parser_->skip(true);
  }

  bool is_interim() const { return parser_->get().result_int() >= 100 && parser_->get().result_int() < 200; }

  void fail(boost::system::error_code error) {
    if (error == http::error::body_limit) {
      return finish(mesh::error(ErrorKind::TooLarge, fmt::format("the answer has more than {} bytes", max_bytes_)));
    }
    finish(mesh::error(ErrorKind::Unavailable, "the answer is not HTTP/1.1: " + error.message()));
  }

  void succeed() {
    auto& message = parser_->get();
    Response response{
        .status = static_cast<int>(message.result_int()), .headers = {}, .body = std::move(message.body())};
    for (const auto& field : message) {
      response.headers.add(std::string(std::string_view(field.name_string())),
                           std::string(std::string_view(field.value())));
    }
    finish(std::move(response));
  }

  void finish(Result<Response> result) {
    if (!on_result_) return;
    auto callback = std::exchange(on_result_, nullptr);
    output_ = {};
    callback(std::move(result));
  }

  ProtocolHost& host_;
  const std::size_t max_bytes_;
  const bool is_head_;
  OnResponse on_result_;
  std::unique_ptr<Parser> parser_;
  std::string input_;
  OutputQueue output_;
};

}  // namespace

std::unique_ptr<Protocol> make_http1_client(ProtocolHost& host, const ClientUrl& url, ClientRequest request,
                                            OnResponse on_result) {
  return std::make_unique<Http1Client>(host, url, std::move(request), std::move(on_result));
}

}  // namespace mesh::wire
