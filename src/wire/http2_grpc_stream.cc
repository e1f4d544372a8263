#include "wire/http2_grpc_stream.h"

#include <algorithm>

#include "wire/loop_access.h"

namespace mesh::wire {

void Http2GrpcStream::send(std::vector<Bytes> pieces) {
  std::size_t size = 0;
  for (const Bytes& piece : pieces) size += piece->size();
  Outgoing message{message_prefix(size), std::move(pieces)};
  size += message.prefix.size();
  unsent_.fetch_add(size, std::memory_order_relaxed);
  // Most messages answer one, on the strand. They do not overtake those that others have sent before.
  if (posted_.load() == 0 && is_current(strand_)) return queue(std::move(message), size);
  posted_.fetch_add(1);
  strand_.post([self = shared_from_this(), message = std::move(message), size]() mutable {
    self->posted_.fetch_sub(1);
    self->queue(std::move(message), size);
  });
}

void Http2GrpcStream::queue(Outgoing message, std::size_t size) {
  if (is_closed_ || finish_status_) {
    unsent_.fetch_sub(size, std::memory_order_relaxed);
    return;
  }
  queue_.push_back(std::move(message));
  queued_bytes_ += size;
  if (carrier_ != nullptr) carrier_->on_output(*this);
}

void Http2GrpcStream::finish(GrpcStatus status) {
  strand_.post([self = shared_from_this(), status = std::move(status)]() mutable {
    // A client that has half-closed may still want to reset.
    if (self->is_closed_ || (self->finish_status_ && (self->finish_status_->code != 0 || status.code == 0))) return;
    self->finish_status_ = std::move(status);
    if (self->carrier_ != nullptr) self->carrier_->on_finish(*self);
  });
}

void Http2GrpcStream::set_reading(bool reads) {
  strand_.post([self = shared_from_this(), reads] {
    if (std::exchange(self->is_read_, reads) != reads && self->carrier_ != nullptr) self->carrier_->on_reading(*self);
  });
}

const Peer& Http2GrpcStream::peer() const {
  static const Peer nobody;
  return peer_ ? *peer_ : nobody;
}

void Http2GrpcStream::take(std::string& out, std::size_t size) {
  queued_bytes_ -= size;
  unsent_.fetch_sub(size, std::memory_order_relaxed);
  while (size > 0) {
    const Outgoing& message = queue_[first_];
    std::string_view whole = piece_ == 0 ? std::string_view(message.prefix.data(), message.prefix.size())
                                         : std::string_view(*message.pieces[piece_ - 1]);
    std::string_view part = whole.substr(offset_, size);
    out.append(part);
    size -= part.size();
    offset_ += part.size();
    // Empty pieces are stepped over too, so that a message that is out is let go at once.
    while (offset_ == (piece_ == 0 ? message.prefix.size() : message.pieces[piece_ - 1]->size())) {
      offset_ = 0;
      if (++piece_ <= message.pieces.size()) continue;
      piece_ = 0;
      queue_[first_++].pieces = {};
      break;
    }
  }
  if (first_ == queue_.size()) {
    queue_ = std::vector<Outgoing>();  // "= {}" would keep its memory
    first_ = 0;
    if (events_) events_->on_all_sent();
  } else if (first_ > 64 && first_ * 2 > queue_.size()) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

std::optional<GrpcStatus> Http2GrpcStream::on_data(std::string_view bytes) {
  if (!is_receiving_ || is_closed_) return std::nullopt;
  auto broken = decoder_.feed(bytes, [this](std::string message) {
    if (is_receiving_ && !is_closed_ && events_) events_->on_message(std::move(message));
  });
  if (broken) is_receiving_ = false;
  return broken;
}

std::optional<GrpcStatus> Http2GrpcStream::on_end() {
  if (!is_receiving_ || is_closed_) return std::nullopt;
  is_receiving_ = false;
  if (!decoder_.is_between_messages()) return GrpcStatus{kGrpcInternal, "the stream ended inside a message"};
  if (events_) events_->on_half_closed();
  return std::nullopt;
}

void Http2GrpcStream::close(const GrpcStatus& status) {
  if (std::exchange(is_closed_, true)) return;
  carrier_ = nullptr;
  queue_ = std::vector<Outgoing>();
  unsent_.fetch_sub(std::exchange(queued_bytes_, 0), std::memory_order_relaxed);
  decoder_ = MessageDecoder(0);
  auto events = std::move(events_);
  if (events) events->on_closed(status);
}

void Http2GrpcStream::abandon() {
  is_closed_ = true;
  carrier_ = nullptr;
  const auto gone = std::move(events_);  // may hold the last reference to us: goes last
}

}  // namespace mesh::wire
