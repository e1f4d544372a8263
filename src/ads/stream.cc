#include "ads/stream.h"

#include <algorithm>
#include <utility>

#include "ads/messages.h"
#include "ads/stream_registry.h"
#include "base/log.h"

namespace mesh {
namespace {

constexpr std::size_t kMaxStatusText = 1024;

wire::GrpcStatus status_of(const Error& error) {
  std::string text = error.message();
  if (text.size() > kMaxStatusText) text.resize(kMaxStatusText);
  return {grpc_code(error.kind), std::move(text)};
}

}  // namespace

AdsStream::AdsStream(std::shared_ptr<StreamRegistry> registry, std::shared_ptr<wire::GrpcStream> stream, StreamId id,
                     Encoding encoding)
    : registry_(std::move(registry)),
      stream_(std::move(stream)),
      strand_(stream_->strand()),
      id_(id),
      encoding_(encoding),
      state_(encoding, kXdsPlan) {}

void AdsStream::on_message(std::string message) {
  if (message.size() > kMaxRequestBytes) {
    return end(status_of(error(ErrorKind::TooLarge, "a discovery request may have at most 4 MiB")));
  }
  switch (phase_) {
    case Phase::Opening:
    case Phase::Open: return take(message);
    case Phase::Deciding:
      waiting_bytes_ += message.size();
      if (waiting_.size() == kMaxWaitingRequests || waiting_bytes_ > kMaxRequestBytes) {
        return end(status_of(error(ErrorKind::TooLarge, "too many requests before the first was answered")));
      }
      waiting_.push_back(std::move(message));
      return;
    case Phase::Ended: return;
  }
}

void AdsStream::take(std::string_view message) {
  if (encoding_ == Encoding::Delta) {
    take_parsed(parse_delta_request(message));
  } else {
    take_parsed(parse_sotw_request(message));
  }
}

template <class Parsed>
void AdsStream::take_parsed(Result<Parsed> request) {
  if (!request) return end(status_of(request.error()));
  if (phase_ == Phase::Opening) {
    if (!request->node) return end(status_of(invalid("node", "the first request of a stream must say who asks")));
  } else if (request->node && request->node->id != node_.id) {
    return end(status_of(invalid("node.id", "is not the one that this stream was opened with")));
  }
  if (phase_ == Phase::Opening) {
    first_request_ = [this, body = std::move(request->body), url = std::move(request->type_url)]() mutable {
      return take_body(url, std::move(body));
    };
    return ask_for_admission(std::move(*request->node));
  }
  take_body(request->type_url, std::move(request->body));
}

template <class Body>
void AdsStream::take_body(const std::string& url, Body body) {
  const auto type = find_type(url);
  if (!type) {
    MESH_LOG_DEBUG("ads", "proxy {} asks for {}, which is not served", node_.id.node_id(), url);
    return;
  }
  look_at_reader();
  if constexpr (std::is_same_v<Body, DeltaRequest>) {
    if (!body.initial_versions.empty()) hold_removals();
  }
  auto actions = state_.on_request(static_cast<std::size_t>(*type), std::move(body));
  if (!actions) return end(status_of(actions.error()));
  carry_out(*actions);
}

void AdsStream::ask_for_admission(ProxyNode node) {
  phase_ = Phase::Deciding;
  node_ = std::move(node);
  registry_->admit(node_, stream_->headers(), stream_->peer(),
                   [self = weak_from_this(), strand = strand_](Status decision) {
                     strand.post([self, decision = std::move(decision)]() mutable {
                       if (const auto stream = self.lock()) stream->on_decided(std::move(decision));
                     });
                   });
}

void AdsStream::on_decided(Status decision) {
  if (phase_ != Phase::Deciding) return;
  if (!decision) {
    MESH_LOG_INFO("ads", "proxy {} at {} was not let in: {}", node_.id.node_id(), stream_->peer().address,
                  decision.error().message());
    return end(status_of(decision.error()));
  }
  phase_ = Phase::Open;
  is_connected_ = true;
  registry_->add(id_, weak_from_this());
  registry_->sink.on_connected(
      {.stream = id_, .node = node_, .peer = stream_->peer(), .delta = encoding_ == Encoding::Delta});
  std::string().swap(node_.metadata_json);  // whoever needs it has it now; assigning would keep its memory
  stream_->forget_headers();
  std::exchange(first_request_, {})();
  for (auto& message : std::exchange(waiting_, {})) {
    if (phase_ == Phase::Open) take(message);
  }
}

void AdsStream::offer(Offer offer) {
  {
    std::lock_guard lock(offer_mutex_);
    if (next_offer_) {
      for (const XdsType type : kXdsTypes)
        if (offer.resources[type]) next_offer_->resources[type] = std::move(offer.resources[type]);
      next_offer_->number = offer.number;
      return;  // it is on its way already
    }
    next_offer_ = std::move(offer);
  }
  strand_.post([self = weak_from_this()] {
    if (const auto stream = self.lock()) stream->take_offer();
  });
}

void AdsStream::take_offer() {
  std::optional<Offer> offer;
  {
    std::lock_guard lock(offer_mutex_);
    offer.swap(next_offer_);
  }
  if (phase_ != Phase::Open || !offer) return;
  offer_number_ = offer->number;
  if (!is_paused_) look_at_reader();
  carry_out(state_.on_offer(offer->resources.by_type()));
  if (is_paused_) look_at_reader();
}

// A peer that answers without reading would let pushes pile up.
void AdsStream::look_at_reader() {
  const bool is_slow = stream_->unsent_bytes() > kMaxUnsentBytes;
  if (std::exchange(is_paused_, is_slow) != is_slow) carry_out(state_.set_paused(is_slow));
}

void AdsStream::hold_removals() {
  if (have_removals_been_held_) return;
  have_removals_been_held_ = true;
  state_.set_removals_held(true);
  removals_timer_ = strand_.after(kRemovalsHeldAfterReconnect, [self = weak_from_this()] {
    const auto stream = self.lock();
    if (stream && stream->phase_ == Phase::Open) stream->carry_out(stream->state_.set_removals_held(false));
  });
}

void AdsStream::carry_out(const Actions& actions) {
  for (const auto& action : actions) {
    if (const auto* push = std::get_if<Push>(&action)) {
      stream_->send(encoding_ == Encoding::Delta ? make_delta_response(*push) : make_sotw_response(*push));
      registry_->sink.on_sent(id_, static_cast<XdsType>(push->type), push->version);
    } else if (const auto* accepted = std::get_if<Accepted>(&action)) {
      registry_->sink.on_acknowledged(id_, static_cast<XdsType>(accepted->type), accepted->version);
    } else {
      const auto& refused = std::get<Refused>(action);
      if (refused.again) continue;  // said before
      MESH_LOG_WARN("ads", "proxy {} refused version {} of {}: {}", node_.id.node_id(), refused.version,
                    type_url(static_cast<XdsType>(refused.type)), refused.reason);
      registry_->sink.on_refused(id_, static_cast<XdsType>(refused.type), refused.version, refused.reason);
    }
  }
  report_holds();
  plan_retry();
}

void AdsStream::plan_retry() {
  if (!state_.may_retry()) {
    retry_timer_.cancel();
    is_retry_planned_ = false;
    retry_pause_ = kFirstRetry;
    return;
  }
  if (is_retry_planned_) return;
  is_retry_planned_ = true;
  retry_timer_ = strand_.after(retry_pause_, [self = weak_from_this()] {
    const auto stream = self.lock();
    if (!stream || stream->phase_ != Phase::Open) return;
    stream->is_retry_planned_ = false;
    stream->carry_out(stream->state_.retry_refused());
  });
  retry_pause_ = std::min(retry_pause_ * 2, kLongestRetry);
}

void AdsStream::report_holds() {
  for (std::size_t type = 0; type < held_number_.size(); ++type) {
    if (held_number_[type] == offer_number_ || !state_.holds(type)) continue;
    held_number_[type] = offer_number_;
    registry_->sink.on_holds(id_, static_cast<XdsType>(type), offer_number_);
  }
}

void AdsStream::close(wire::GrpcStatus status) {
  strand_.post([self = weak_from_this(), status = std::move(status)]() mutable {
    if (const auto stream = self.lock()) stream->end(std::move(status));
  });
}

void AdsStream::on_half_closed() { end({}); }

void AdsStream::end(wire::GrpcStatus status) {
  if (phase_ == Phase::Ended) return;
  phase_ = Phase::Ended;
  removals_timer_.cancel();
  retry_timer_.cancel();
  waiting_.clear();
  first_request_ = {};
  if (stream_) stream_->finish(std::move(status));
}

void AdsStream::on_closed() {
  phase_ = Phase::Ended;
  removals_timer_.cancel();
  retry_timer_.cancel();
  stream_.reset();
  first_request_ = {};
  if (!std::exchange(is_connected_, false)) return;
  registry_->remove(id_);
  registry_->sink.on_disconnected(id_);
}

}  // namespace mesh
