// The streams that are open, by proxy: so that those of a proxy that is not trusted any more can be ended.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "ads/ads.h"
#include "base/ids.h"
#include "wire/grpc.h"

namespace mesh {

// Thread-safe.
class LiveStreams {
 public:
  using End = std::function<void(const wire::GrpcStatus&)>;  // from any thread
  using Ticket = std::uint64_t;

  Ticket add(const ProxyId& proxy, End end) {
    std::lock_guard lock(mutex_);
    streams_.emplace(std::pair(proxy, ++last_ticket_), std::move(end));
    return last_ticket_;
  }
  void remove(const ProxyId& proxy, Ticket ticket) {
    std::lock_guard lock(mutex_);
    streams_.erase({proxy, ticket});
  }
  std::set<ProxyId> proxies() const {
    std::set<ProxyId> out;
    std::lock_guard lock(mutex_);
    for (const auto& [key, end] : streams_) out.insert(key.first);
    return out;
  }
  bool empty() const {
    std::lock_guard lock(mutex_);
    return streams_.empty();
  }
  void end_all(const ProxyId& proxy, const wire::GrpcStatus& status) const {
    std::vector<End> ends;
    {
      std::lock_guard lock(mutex_);
      for (auto at = streams_.lower_bound({proxy, 0}); at != streams_.end() && at->first.first == proxy; ++at)
        ends.push_back(at->second);
    }
    for (const End& end : ends) end(status);
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<ProxyId, Ticket>, End> streams_;
  Ticket last_ticket_ = 0;
};

// Notes discovery streams in `live`, and hands everything on.
class NotedAdsSink final : public AdsSink {
 public:
  NotedAdsSink(AdsSink& next, LiveStreams& live, std::function<void(StreamId, const wire::GrpcStatus&)> close)
      : next_(next), live_(live), close_(std::move(close)) {}

  void on_connected(const StreamInfo& stream) override {
    // One that was let in when we had already begun to send everybody elsewhere: its end is told to nobody, so its
    // beginning must not be.
    const bool is_told = !is_silent_;
    const LiveStreams::Ticket ticket =
        live_.add(stream.node.id, [this, id = stream.stream](const wire::GrpcStatus& status) { close_(id, status); });
    {
      std::lock_guard lock(mutex_);
      noted_[stream.stream] = {stream.node.id, ticket};
    }
    if (is_told) next_.on_connected(stream);
  }
  void on_sent(StreamId stream, XdsType type, const std::string& version) override {
    next_.on_sent(stream, type, version);
  }
  void on_acknowledged(StreamId stream, XdsType type, const std::string& version) override {
    next_.on_acknowledged(stream, type, version);
  }
  void on_refused(StreamId stream, XdsType type, const std::string& version, const std::string& reason) override {
    next_.on_refused(stream, type, version, reason);
  }
  void on_holds(StreamId stream, XdsType type, std::uint64_t number) override { next_.on_holds(stream, type, number); }
  // From now on proxies that leave are not gone: they were sent elsewhere.
  void say_nothing_of_leaving() { is_silent_ = true; }

  void on_disconnected(StreamId stream) override {
    {
      std::lock_guard lock(mutex_);
      if (const auto found = noted_.find(stream); found != noted_.end()) {
        live_.remove(found->second.first, found->second.second);
        noted_.erase(found);
      }
    }
    if (!is_silent_) next_.on_disconnected(stream);
  }

 private:
  AdsSink& next_;
  LiveStreams& live_;
  const std::function<void(StreamId, const wire::GrpcStatus&)> close_;
  std::atomic<bool> is_silent_ = false;
  std::mutex mutex_;
  std::map<StreamId, std::pair<ProxyId, LiveStreams::Ticket>> noted_;
};

}  // namespace mesh
