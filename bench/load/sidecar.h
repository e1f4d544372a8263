// One sidecar as a control plane sees it: it asks for its bootstrap, its Envoy opens a discovery stream, asks for
// clusters, then for what they refer to, then for listeners, and acknowledges each response; its manager says when it
// takes traffic and when it leaves. Lost streams are opened again, with growing random pauses as Envoy makes them. All
// of it on the thread of the fleet's loop.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "load/holdings.h"
#include "load/messages.h"
#include "wire/client.h"
#include "wire/event_loop.h"
#include "wire/grpc_channel.h"

namespace mesh::load {

class Fleet;

class Sidecar : public std::enable_shared_from_this<Sidecar> {
 public:
  Sidecar(Fleet& fleet, Instance instance, std::string token);

  const Instance instance;

  void start();
  // As on SIGTERM: says goodbye, waits until it is taken out, goes.
  void leave();
  // As after a crash of Envoy: the stream breaks, and a new Envoy knows nothing. With its manager's report meanwhile.
  void restart_envoy();
  void stop();                                           // cuts everything
  void refuse_all(bool refuses) { refuses_ = refuses; }  // from now on
  void set_reading(bool reads) {                         // of its discovery stream
    if (ads_) ads_->set_reading(reads);
  }

  bool is_complete() const { return is_complete_; }  // has all that its Envoy asks for
  bool is_running() const { return is_running_; }
  SteadyTime started_at() const { return started_at_; }
  SteadyTime said_hello_at() const { return said_hello_at_; }  // first READY, or first request when nobody reports
  std::optional<SteadyTime> completed_at() const { return completed_at_; }
  int endpoints_of(int service) const;
  bool has_stream() const { return ads_ != nullptr; }

  bool is_met = false;  // the fleet's watch

 private:
  class AdsEvents;
  class ReportEvents;
  class HealthEvents;

  void ask_bootstrap();
  void make_channels(std::shared_ptr<wire::KeptConnection> over);  // `over`: what the bootstrap came by
  void open_discovery();
  void on_discovery_closed(const wire::GrpcStatus& status);
  void on_response(std::string message);
  void follow();
  void ask(XdsType type, std::vector<std::string> names);
  void check_complete();

  void open_report();
  void report(int state);
  void on_instruction(std::string_view message);
  void on_report_closed(const wire::GrpcStatus& status);
  void open_health();
  void on_health_request(std::string_view message);
  void answer_health();

  wire::Headers credential() const;
  Duration next_pause();

  Fleet& fleet_;
  const std::string token_;
  NodeBytes node_;
  Holdings holds_;
  std::shared_ptr<wire::GrpcChannel> ads_channel_, report_channel_;  // often the same
  std::shared_ptr<wire::GrpcStream> ads_, report_, health_;
  std::uint64_t ads_session_ = 0, report_session_ = 0, health_session_ = 0;
  bool is_node_sent_ = false, refuses_ = false;
  bool is_running_ = false, is_complete_ = false, is_leaving_ = false, is_report_answered_ = false;
  int failures_ = 0, report_failures_ = 0;
  std::uint64_t sequence_ = 0, leaving_sequence_ = 0;
  std::string health_answer_;
  Duration health_interval_ = std::chrono::seconds(10);
  wire::Timer retry_timer_, report_timer_, health_timer_, leave_timer_;
  wire::Strand strand_;
  SteadyTime started_at_{}, said_hello_at_{};
  std::optional<SteadyTime> completed_at_;
};

}  // namespace mesh::load
