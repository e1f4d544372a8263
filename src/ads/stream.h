// One discovery stream between the transport and the protocol state: lets the proxy in, reads requests, writes pushes,
// and says what happened. Everything but offer() and close() runs on the stream's strand.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ads/ads.h"
#include "delta/discovery_state.h"
#include "wire/grpc.h"

namespace mesh {

class StreamRegistry;

class AdsStream : public std::enable_shared_from_this<AdsStream> {
 public:
  // What a peer may have us keep for it.
  static constexpr std::size_t kMaxRequestBytes = 4UL << 20;
  static constexpr std::size_t kMaxWaitingRequests = 64;     // while it is decided whether it may come in
  static constexpr std::size_t kMaxUnsentBytes = 8UL << 20;  // beyond, pushes wait until the peer has read
  static constexpr Duration kRemovalsHeldAfterReconnect = std::chrono::seconds(1);
  // What was refused for what surrounds the peer (a port is taken) is tried again, with growing pauses.
  static constexpr Duration kFirstRetry = std::chrono::seconds(5), kLongestRetry = std::chrono::seconds(60);

  AdsStream(std::shared_ptr<StreamRegistry> registry, std::shared_ptr<wire::GrpcStream> stream, StreamId id,
            Encoding encoding);

  void on_message(std::string message);
  void on_half_closed();
  void on_closed();

  // From any thread.
  void offer(Offer offer);
  void close(wire::GrpcStatus status);

 private:
  enum class Phase { Opening, Deciding, Open, Ended };

  void ask_for_admission(ProxyNode node);
  void on_decided(Status decision);
  void take(std::string_view message);
  template <class Parsed>
  void take_parsed(Result<Parsed> request);
  template <class Body>
  void take_body(const std::string& url, Body body);
  void hold_removals();
  void take_offer();
  void look_at_reader();
  void carry_out(const Actions& actions);
  void report_holds();
  void plan_retry();
  void end(wire::GrpcStatus status);

  const std::shared_ptr<StreamRegistry> registry_;
  std::shared_ptr<wire::GrpcStream> stream_;  // null once it is closed
  const wire::Strand strand_;
  const StreamId id_;
  const Encoding encoding_;
  Phase phase_ = Phase::Opening;
  ProxyNode node_;
  wire::Task first_request_;          // to be taken once the proxy is let in
  std::vector<std::string> waiting_;  // those after it
  std::size_t waiting_bytes_ = 0;
  DiscoveryState state_;
  bool is_paused_ = false;
  bool is_connected_ = false;
  bool have_removals_been_held_ = false;
  wire::Timer removals_timer_;
  wire::Timer retry_timer_;
  bool is_retry_planned_ = false;
  Duration retry_pause_ = kFirstRetry;
  std::uint64_t offer_number_ = 0;
  std::array<std::uint64_t, std::size(kXdsTypes)> held_number_{};  // the offer that on_holds() was said of

  std::mutex offer_mutex_;
  std::optional<Offer> next_offer_;  // the newest that was not taken yet
};

}  // namespace mesh
