#include "dpserver/proxy_stream.h"

#include <utility>

#include "base/log.h"

namespace mesh {
namespace {

wire::GrpcStatus status_of(const Error& error) { return {grpc_code(error.kind), error.message().substr(0, 1024)}; }

class Receiver final : public wire::GrpcEvents {
 public:
  explicit Receiver(std::shared_ptr<ProxyStream> stream) : stream_(std::move(stream)) {}
  void on_message(std::string message) override { stream_->on_message(std::move(message)); }
  void on_half_closed() override { stream_->on_half_closed(); }
  void on_closed(const wire::GrpcStatus&) override { stream_->on_closed(); }

 private:
  std::shared_ptr<ProxyStream> stream_;
};

}  // namespace

wire::GrpcStatus sent_elsewhere() {
  return {grpc_code(ErrorKind::Unavailable), "this control plane stops; another one goes on"};
}

std::unique_ptr<wire::GrpcEvents> receive_for(std::shared_ptr<ProxyStream> stream) {
  return std::make_unique<Receiver>(std::move(stream));
}

ProxyStream::ProxyStream(std::shared_ptr<StreamContext> context, std::shared_ptr<wire::GrpcStream> stream,
                         LivenessSource source)
    : context_(std::move(context)),
      stream_(std::move(stream)),
      strand_(stream_->strand()),
      source_(source),
      session_(++context_->last_session) {}

void ProxyStream::on_message(std::string message) {
  if (phase_ == Phase::Ended) return;
  if (message.size() > kMaxMessageBytes) {
    return end(status_of(error(ErrorKind::TooLarge, "a message of this stream may have at most 1 MiB")));
  }
  if (phase_ == Phase::Open) {
    if (auto taken = take(message); !taken) end(status_of(taken.error()));
    return;
  }
  if (phase_ == Phase::Opening) {
    auto node = read_node(message);
    if (!node) return end(status_of(node.error()));
    node_ = std::move(*node);
    waiting_.push_back(std::move(message));
    return identify();
  }
  if (waiting_.size() == kMaxWaitingMessages) {
    return end(status_of(error(ErrorKind::TooLarge, "too many messages before the first was answered")));
  }
  waiting_.push_back(std::move(message));
}

void ProxyStream::identify() {
  phase_ = Phase::Identifying;
  // Before the store is asked: a Dataplane that comes between its answer and our waiting would not be noticed.
  has_arrived_ = false;
  if (ticket_ == 0) {
    ticket_ = context_->arrivals.wait_for(proxy(), [self = weak_from_this(), strand = strand_] {
      strand.post([self] {
        if (const auto stream = self.lock()) stream->on_arrival();
      });
    });
  }
  auto ask = [self = weak_from_this(), context = context_, strand = strand_, node = node_, headers = stream_->headers(),
              source = stream_->peer().address]() mutable {
    auto dataplane = context->gatekeeper.identify(node, headers, source);
    strand.post([self = std::move(self), dataplane = std::move(dataplane)]() mutable {
      if (const auto stream = self.lock()) stream->on_identified(std::move(dataplane));
    });
  };
  if (!context_->workers.of(context_->gatekeeper.would_wait(node_.id.type, stream_->headers())).run(std::move(ask))) {
    end(status_of(error(ErrorKind::Unavailable, "too many proxies wait to be let in; try again later")));
  }
}

void ProxyStream::on_identified(Result<Resource> dataplane) {
  if (phase_ != Phase::Identifying) return;
  if (context_->are_sent_elsewhere) return end(sent_elsewhere());
  if (!dataplane) return wait_for_dataplane(std::move(dataplane).error());
  stop_waiting();
  stream_->forget_headers();
  phase_ = Phase::Open;
  is_connected_ = true;
  live_ticket_ =
      context_->live.add(proxy(), [self = weak_from_this(), strand = strand_](const wire::GrpcStatus& status) {
        strand.post([self, status] {
          if (const auto stream = self.lock()) stream->end(status);
        });
      });
  context_->sink.on_reporter_connected(proxy(), session_, source_);
  on_open(*dataplane);
  for (const auto& message : std::exchange(waiting_, {})) {
    if (phase_ != Phase::Open) return;
    if (auto taken = take(message); !taken) end(status_of(taken.error()));
  }
}

// It may be that the discovery stream, which registers the Dataplane, is only a moment behind.
void ProxyStream::wait_for_dataplane(Error error) {
  if (error.kind == ErrorKind::NotFound && !has_waited_too_long_) {
    if (has_arrived_) return identify();
    if (ticket_ != 0) {
      phase_ = Phase::Waiting;
      timer_ = strand_.after(kWaitForDataplane, [self = weak_from_this()] {
        const auto stream = self.lock();
        if (!stream || stream->phase_ != Phase::Waiting) return;
        stream->has_waited_too_long_ = true;
        stream->identify();
      });
      return;
    }
  }
  MESH_LOG_INFO("dpserver", "a stream of proxy {} at {} was not let in: {}", proxy().node_id(), stream_->peer().address,
                error.message());
  end(status_of(error));
}

void ProxyStream::on_arrival() {
  ticket_ = 0;
  has_arrived_ = true;
  if (phase_ == Phase::Waiting) identify();
}

void ProxyStream::stop_waiting() {
  timer_.cancel();
  if (ticket_ != 0) context_->arrivals.cancel(proxy(), std::exchange(ticket_, 0));
}

void ProxyStream::send(std::string message) {
  if (stream_ && phase_ == Phase::Open) stream_->send({make_bytes(std::move(message))});
}

void ProxyStream::end(wire::GrpcStatus status) {
  if (phase_ == Phase::Ended) return;
  phase_ = Phase::Ended;
  stop_waiting();
  waiting_.clear();
  if (stream_) stream_->finish(std::move(status));
}

void ProxyStream::on_half_closed() { end({}); }

void ProxyStream::on_closed() {
  phase_ = Phase::Ended;
  stop_waiting();
  waiting_.clear();
  stream_.reset();
  if (live_ticket_ != 0) context_->live.remove(proxy(), std::exchange(live_ticket_, 0));
  if (std::exchange(is_connected_, false) && !context_->are_sent_elsewhere)
    context_->sink.on_reporter_disconnected(proxy(), session_, source_);
}

}  // namespace mesh
