#include "wire/http1_server.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

#include "wire/asio.h"  // before Beast, which includes Asio's buffers
#include "wire/chunked.h"
#include "wire/output_queue.h"
#include "wire/responder.h"
#include "wire/target.h"
#include "wire/text.h"

namespace mesh::wire {

namespace {

namespace http = boost::beast::http;
using Parser = http::request_parser<http::string_body>;

class Http1Server final : public Protocol {
 public:
  Http1Server(ProtocolHost& host, std::weak_ptr<ProtocolHost> weak_host, std::shared_ptr<const Service> service)
      : host_(host),
        weak_host_(std::move(weak_host)),
        service_(std::move(service)),
        unfinished_(*service_),
        since_(real_clock().steady()) {}

  void on_bytes(std::string_view bytes) override {
    if (state_ == State::Closing) return;
    input_.append(bytes);
    read();
  }

  void on_end() override {
    has_ended_ = true;
    if (state_ == State::Reading) state_ = State::Closing;
  }

  void on_lost(const Error&) override { *alive_ = nullptr; }

  void take_output(std::string& out, std::size_t limit) override {
    output_.take(out, limit);
    if (!output_.empty() || state_ != State::Answering) return;
    // The answer is out; the next request may be waiting already.
    since_ = real_clock().steady();
    state_ = closes_ || has_ended_ ? State::Closing : State::Reading;
    if (state_ == State::Reading && !input_.empty()) read();
    if (!output_.empty()) output_.take(out, limit);
  }

  bool wants_input() const override { return state_ == State::Reading || state_ == State::Closing; }
  bool is_done() const override { return state_ == State::Closing && output_.empty(); }
  Duration write_timeout() const override { return service_->limits.request_timeout; }

  SteadyTime deadline() const override {
    if (state_ != State::Reading) return kNever;
    return since_ + (in_request() ? service_->limits.request_timeout : service_->limits.idle_timeout);
  }

  void on_deadline(SteadyTime) override {
    if (in_request()) {
      refuse(408, "the request did not arrive in time");
    } else {
      state_ = State::Closing;
    }
  }

  void drain() override {
    closes_ = true;
    if (state_ == State::Reading && !in_request()) state_ = State::Closing;
  }

 private:
  enum class State { Reading, Handling, Answering, Closing };

  bool in_request() const { return parser_ != nullptr; }

  void read() {
    if (state_ != State::Reading || input_.empty()) return;
    if (!in_request()) begin_request();
    if (!in_request()) return;
    if (awaits_more_of_a_chunk(*parser_, input_.size())) return;
    boost::system::error_code error;
    std::size_t used = parser_->put(boost::asio::buffer(input_.data(), input_.size()), error);
    input_.erase(0, used);
    if (error == http::error::need_more) error = {};
    if (error) return refuse_for(error);
    unfinished_.set(parser_->get().body().capacity());
    if (!unfinished_.has_room_for(unfinished_.bytes())) {
      return refuse(503, "too many large requests arrive at once; try again later");
    }
    if (input_.size() > service_->limits.max_header_bytes && !parser_->is_done()) {
      return refuse(431, "a header, trailer or chunk header is too long");
    }
    if (parser_->is_header_done() && !is_header_seen_ && !accept_header()) return;
    if (parser_->is_done()) dispatch();
  }

  // Empty lines between requests are to be tolerated (RFC 9112 section 2.2).
  void begin_request() {
    std::size_t lines = 0;
    while (lines < input_.size() && (input_[lines] == '\r' || input_[lines] == '\n')) ++lines;
    input_.erase(0, lines);
    if (input_.empty()) return;
    parser_ = std::make_unique<Parser>();
    parser_->header_limit(
        static_cast<std::uint32_t>(std::min<std::size_t>(service_->limits.max_header_bytes, 1UL << 30)));
    parser_->body_limit(service_->limits.max_body_bytes);
    parser_->eager(true);
    is_header_seen_ = false;
    since_ = real_clock().steady();
  }

  bool accept_header() {
    is_header_seen_ = true;
    const auto& head = parser_->get();
    if (head.version() != 11 && head.version() != 10)
      return refuse(505, "only HTTP/1.1 and HTTP/1.0 are spoken here"), false;
    auto hosts = head.equal_range(http::field::host);
    if (head.version() == 11 && std::distance(hosts.first, hosts.second) != 1) {
      return refuse(400, "there must be one Host header"), false;
    }
    if (head.method() == http::verb::connect) return refuse(405, "this is not a proxy"), false;
    host_.on_first_request();
    if (auto expect = head.find(http::field::expect); expect != head.end()) {
      if (!equal_ignoring_case(std::string_view(expect->value()), "100-continue")) {
        return refuse(417, "only the expectation 100-continue is known"), false;
      }
      if (!parser_->is_done()) {
        output_.add("HTTP/1.1 100 Continue\r\n\r\n");
        host_.wake();
      }
    }
    return true;
  }

  void dispatch() {
    Request request;
    auto& message = parser_->get();
    is_http10_ = message.version() == 10;
    is_head_ = message.method() == http::verb::head;
    if (!message.keep_alive()) closes_ = true;
    request.method = std::string_view(message.method_string());
    if (auto parsed = parse_target(std::string_view(message.target()), request); !parsed)
      return refuse(400, parsed.error().message());
    for (const auto& field : message) {
      request.headers.add(std::string(std::string_view(field.name_string())),
                          std::string(std::string_view(field.value())));
    }
    request.body = std::move(message.body());
    request.peer = *host_.peer();
    parser_.reset();
    unfinished_.set(0);
    state_ = State::Handling;
    service_->http(std::move(request),
                   make_respond(host_.strand(), [alive = alive_, weak = weak_host_](Response response) {
                     auto host = weak.lock();
                     if (host && *alive != nullptr) (*alive)->answer(std::move(response));
                   }));
  }

  void answer(Response response) {
    if (state_ != State::Handling) return;
    state_ = State::Answering;
    std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
    bool has_date = false;
    for (const auto& [name, value] : response.headers.all()) {
      if (!is_field_name(name) || is_about_connection(name)) continue;
      if (equal_ignoring_case(name, "date")) has_date = true;
      head += fmt::format("{}: {}\r\n", name, clean_field_value(value));
    }
    if (!has_date) head += fmt::format("Date: {}\r\n", http_date(real_clock().now()));
    if (may_have_body(response.status)) head += fmt::format("Content-Length: {}\r\n", response.body.size());
    if (closes_ || has_ended_) {
      head += "Connection: close\r\n";
    } else if (is_http10_) {
      head += "Connection: keep-alive\r\n";
    }
    head += "\r\n";
    output_.add(std::move(head));
    if (!is_head_ && may_have_body(response.status)) output_.add(std::move(response.body));
    host_.wake();
  }

  void refuse_for(boost::system::error_code error) {
    if (error == http::error::body_limit) {
      return refuse(
          413, fmt::format("the body is larger than the {} bytes that are accepted", service_->limits.max_body_bytes));
    }
    if (error == http::error::header_limit) {
      return refuse(431, fmt::format("the headers are larger than the {} bytes that are accepted",
                                     service_->limits.max_header_bytes));
    }
    refuse(400, error.message());
  }

  void refuse(int status, std::string_view detail) {
    parser_.reset();
    unfinished_.set(0);
    input_ = {};
    closes_ = true;
    is_head_ = false;
    state_ = State::Handling;
    answer(error_response(status, detail));
  }

  ProtocolHost& host_;
  std::weak_ptr<ProtocolHost> weak_host_;
  std::shared_ptr<const Service> service_;
  Unfinished unfinished_;  // the body of the request that is read
  // Answers come back through it; emptied when the connection is lost.
  std::shared_ptr<Http1Server*> alive_ = std::make_shared<Http1Server*>(this);
  State state_ = State::Reading;
  SteadyTime since_;  // of the request, or of idleness
  std::unique_ptr<Parser> parser_;
  std::string input_;
  OutputQueue output_;
  bool is_header_seen_ = false, is_http10_ = false, is_head_ = false, closes_ = false, has_ended_ = false;
};

}  // namespace

std::unique_ptr<Protocol> make_http1_server(ProtocolHost& host, std::weak_ptr<ProtocolHost> weak_host,
                                            std::shared_ptr<const Service> service) {
  return std::make_unique<Http1Server>(host, std::move(weak_host), std::move(service));
}

}  // namespace mesh::wire
