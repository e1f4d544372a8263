// The streams that are open, to be found by their id from any thread. In shards, so that thousands of streams that
// open, close and are offered something at once do not stand in one queue.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "ads/ads.h"

namespace mesh {

class AdsStream;

class StreamRegistry {
 public:
  StreamRegistry(AdsSink& to, Admit admit_by) : sink(to), admit(std::move(admit_by)) {}

  StreamId next_id() { return ++last_id_; }
  void add(StreamId id, std::weak_ptr<AdsStream> stream) {
    Shard& shard = shard_of(id);
    std::lock_guard lock(shard.mutex);
    shard.streams[id] = std::move(stream);
  }
  void remove(StreamId id) {
    Shard& shard = shard_of(id);
    std::lock_guard lock(shard.mutex);
    shard.streams.erase(id);
  }
  std::shared_ptr<AdsStream> find(StreamId id) {
    Shard& shard = shard_of(id);
    std::lock_guard lock(shard.mutex);
    const auto it = shard.streams.find(id);
    return it == shard.streams.end() ? nullptr : it->second.lock();
  }

  AdsSink& sink;
  const Admit admit;

 private:
  struct Shard {
    std::mutex mutex;
    std::unordered_map<StreamId, std::weak_ptr<AdsStream>> streams;
  };
  Shard& shard_of(StreamId id) { return shards_[id % shards_.size()]; }

  std::array<Shard, 16> shards_;
  std::atomic<StreamId> last_id_ = 0;
};

}  // namespace mesh
