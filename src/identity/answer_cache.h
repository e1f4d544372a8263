// Answers that cost a call to somebody else, kept by key. Who asks for one that is being fetched waits for it, so that
// a thousand askers cost one call. How often each way was taken is counted.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace mesh {

// Thread-safe. Values are copied out.
template <class Value>
class AnswerCache {
 public:
  struct Ages {
    Duration good, bad;  // how old an answer, or an error, may be
    Duration unavailable = std::chrono::seconds(1);
  };

  struct Counts {
    std::uint64_t kept = 0;    // answered from what was known
    std::uint64_t shared = 0;  // by waiting for somebody else's call
    std::uint64_t calls = 0;
  };

  AnswerCache(const Clock& clock, std::size_t max_entries) : clock_(clock), max_entries_(max_entries) {}

  // `load` runs without a lock, on this thread.
  template <class Load>
  Result<Value> get(const std::string& key, const Ages& ages, Load load) {
    std::unique_lock lock(mutex_);
    Entry& entry = entries_[key];  // a map: the reference stays good, and loading entries are never removed
    if (entry.is_loading) {
      ++entry.waiting;
      ++counts_.shared;
      loaded_.wait(lock, [&] { return !entry.is_loading; });
      --entry.waiting;
      return *entry.answer;
    }
    if (is_fresh(entry, ages)) {
      ++counts_.kept;
      return *entry.answer;
    }
    entry.is_loading = true;
    ++counts_.calls;
    lock.unlock();
    Result<Value> answer = load();
    lock.lock();
    entry.answer.emplace(answer);
    entry.at = clock_.steady();
    entry.is_loading = false;
    loaded_.notify_all();
    make_room(ages);
    return answer;
  }

  // What get() would say at once; none: it would have to wait.
  std::optional<Result<Value>> peek(const std::string& key, const Ages& ages) const {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end() || found->second.is_loading || !is_fresh(found->second, ages)) return std::nullopt;
    return found->second.answer;
  }

  Counts counts() const {
    std::lock_guard lock(mutex_);
    return counts_;
  }

  std::size_t size() const {
    std::lock_guard lock(mutex_);
    return entries_.size();
  }

 private:
  struct Entry {
    std::optional<Result<Value>> answer;
    SteadyTime at{};
    bool is_loading = false;
    int waiting = 0;
  };

  bool is_fresh(const Entry& entry, const Ages& ages) const {
    return entry.answer && clock_.steady() - entry.at <= allowed_age(*entry.answer, ages);
  }
  static Duration allowed_age(const Result<Value>& answer, const Ages& ages) {
    if (answer) return ages.good;
    return answer.error().kind == ErrorKind::Unavailable ? ages.unavailable : ages.bad;
  }

  void make_room(const Ages& ages) {
    if (entries_.size() <= max_entries_) return;
    const SteadyTime now = clock_.steady();
    const auto is_in_use = [](const Entry& entry) { return entry.is_loading || entry.waiting > 0; };
    std::erase_if(entries_, [&](const auto& item) {
      return !is_in_use(item.second) && now - item.second.at > allowed_age(*item.second.answer, ages);
    });
    for (auto at = entries_.begin(); at != entries_.end() && entries_.size() > max_entries_;) {
      at = is_in_use(at->second) ? std::next(at) : entries_.erase(at);
    }
  }

  const Clock& clock_;
  const std::size_t max_entries_;
  mutable std::mutex mutex_;
  std::condition_variable loaded_;
  std::map<std::string, Entry> entries_;
  Counts counts_;
};

}  // namespace mesh
