// A stream beside discovery whose first message says which proxy it belongs to: the health stream and the report
// stream. It has the proxy authenticated on a worker thread, waits a little for a Dataplane that is about to come,
// keeps what arrives meanwhile, and then hands on one message after the other. Everything runs on the stream's strand.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "dpserver/arrivals.h"
#include "dpserver/gatekeeper.h"
#include "dpserver/live_streams.h"
#include "dpserver/liveness.h"
#include "dpserver/workers.h"
#include "wire/grpc.h"

namespace mesh {

// What such streams share.
struct StreamContext {
  const Gatekeeper& gatekeeper;
  WorkerGroups& workers;
  Arrivals& arrivals;
  LivenessSink& sink;
  LiveStreams& live;
  std::atomic<std::uint64_t> last_session = 0;
  // This control plane stops: who leaves it is not gone, and nobody comes to it any more.
  std::atomic<bool> are_sent_elsewhere = false;
};

// What streams end with then.
wire::GrpcStatus sent_elsewhere();

class ProxyStream : public std::enable_shared_from_this<ProxyStream> {
 public:
  static constexpr std::size_t kMaxMessageBytes = 1UL << 20;
  static constexpr std::size_t kMaxWaitingMessages = 16;
  static constexpr Duration kWaitForDataplane = std::chrono::seconds(10);

  ProxyStream(std::shared_ptr<StreamContext> context, std::shared_ptr<wire::GrpcStream> stream, LivenessSource source);
  virtual ~ProxyStream() = default;

  void on_message(std::string message);
  void on_half_closed();
  void on_closed();

 protected:
  // Who it is, out of the first message.
  virtual Result<ProxyNode> read_node(const std::string& message) = 0;
  virtual void on_open(const Resource& dataplane) = 0;
  // Each message once it is open, the first one too.
  virtual Status take(const std::string& message) = 0;

  void send(std::string message);
  void end(wire::GrpcStatus status);
  bool is_open() const { return phase_ == Phase::Open; }
  const ProxyNode& node() const { return node_; }
  const ProxyId& proxy() const { return node_.id; }
  std::uint64_t session() const { return session_; }
  const wire::Strand& strand() const { return strand_; }
  StreamContext& context() { return *context_; }
  const std::shared_ptr<StreamContext>& shared_context() const { return context_; }

 private:
  enum class Phase { Opening, Identifying, Waiting, Open, Ended };

  void identify();
  void on_identified(Result<Resource> dataplane);
  void wait_for_dataplane(Error error);
  void on_arrival();
  void stop_waiting();

  const std::shared_ptr<StreamContext> context_;
  std::shared_ptr<wire::GrpcStream> stream_;  // null once it is closed
  const wire::Strand strand_;
  const LivenessSource source_;
  const std::uint64_t session_;
  Phase phase_ = Phase::Opening;
  ProxyNode node_;
  std::vector<std::string> waiting_;
  Arrivals::Ticket ticket_ = 0;
  LiveStreams::Ticket live_ticket_ = 0;
  bool has_arrived_ = false;  // since the store was asked last
  bool has_waited_too_long_ = false;
  bool is_connected_ = false;
  wire::Timer timer_;
};

// Makes the receiver that the transport wants of a stream.
std::unique_ptr<wire::GrpcEvents> receive_for(std::shared_ptr<ProxyStream> stream);

}  // namespace mesh
