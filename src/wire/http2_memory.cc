#include "wire/http2_memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace mesh::wire {

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kSlot = 7 * kPage;
// The frame buffer, and so much more that its first bytes, where frames without bodies are written, share the third
// page with what lies before it.
constexpr std::size_t kTailSize = (16UL << 10) + 512;
constexpr std::size_t kTail = kSlot - kTailSize;  // where it begins
// The library's table of streams: 256 places of 16 bytes. Those of streams 1 and 3 are the 158th and the 218th, and
// come to lie in the second page.
constexpr std::size_t kTableSize = 4096;
constexpr std::size_t kFirstCheapPlace = 157;
constexpr std::size_t kTable = kPage - kFirstCheapPlace * 16;
constexpr std::size_t kSlotsAtOnce = 64;
constexpr std::size_t kWarmSlots = 32;  // that keep their pages while they are free

struct Prefix {
  std::size_t size;  // of what follows
  std::size_t padding;
};
static_assert(sizeof(Prefix) == 16);

// Slots of all sessions. Address space is never given back, pages are.
class Slots {
 public:
  std::byte* take(bool& is_clean) {
    std::lock_guard lock(mutex_);
    is_clean = warm_.empty();
    auto& from = is_clean ? cold_ : warm_;
    if (from.empty() && !map_more()) return nullptr;
    std::byte* slot = from.back();
    from.pop_back();
    return slot;
  }

  void give_back(std::byte* slot) {
    {
      std::lock_guard lock(mutex_);
      if (warm_.size() < kWarmSlots) return warm_.push_back(slot);
    }
    ::madvise(slot, kSlot, MADV_DONTNEED);
    std::lock_guard lock(mutex_);
    cold_.push_back(slot);
  }

 private:
  bool map_more() {
    constexpr std::size_t size = kSlotsAtOnce * kSlot;
    void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return false;
    ::madvise(mapped, size, MADV_NOHUGEPAGE);  // those come in one piece
    auto* first = static_cast<std::byte*>(mapped);
    for (std::size_t i = kSlotsAtOnce; i > 0; --i) cold_.push_back(first + (i - 1) * kSlot);
    return true;
  }

  std::mutex mutex_;
  std::vector<std::byte*> warm_, cold_;
};

Slots& slots() {
  static Slots* all = std::make_unique<Slots>().release();  // sessions may end after main() has
  return *all;
}

}  // namespace

Http2Memory::Http2Memory() : slot_(slots().take(is_clean_)), used_(kTable + kTableSize) {}

Http2Memory::~Http2Memory() {
  if (slot_ != nullptr) slots().give_back(slot_);
}

// As the library finds places: the upper bits of a product with the golden ratio.
bool Http2Memory::is_cheap(std::uint32_t stream_id) { return (stream_id * 2654435769U) >> 24 >= kFirstCheapPlace; }

nghttp2_mem Http2Memory::callbacks() { return {this, allocate, release, allocate_zeroed, reallocate}; }

bool Http2Memory::is_in_slot(const void* memory) const {
  const auto at = reinterpret_cast<std::uintptr_t>(memory), from = reinterpret_cast<std::uintptr_t>(slot_);
  return slot_ != nullptr && at >= from && at < from + kSlot;
}

// What is let go stays unused: the library holds most of what it asks for first as long as the session lives.
void* Http2Memory::take(std::size_t size) {
  if (slot_ == nullptr || size == 0) return nullptr;
  if (size > kTail) {
    if (is_tail_taken_ || size + sizeof(Prefix) > kTailSize) return nullptr;
    is_tail_taken_ = true;
    std::byte* at = slot_ + kTail;
    reinterpret_cast<Prefix*>(at)->size = size;
    return at + sizeof(Prefix);
  }
  const std::size_t whole = (size + sizeof(Prefix) + 15) / 16 * 16;
  if (whole > kTail - used_) return nullptr;
  std::byte* at = slot_ + used_;
  used_ += whole;
  reinterpret_cast<Prefix*>(at)->size = size;
  return at + sizeof(Prefix);
}

void* Http2Memory::take_table() {
  if (slot_ == nullptr || std::exchange(is_table_taken_, true)) return nullptr;
  std::byte* table = slot_ + kTable;
  return is_clean_ ? table : std::memset(table, 0, kTableSize);
}

void* Http2Memory::allocate(std::size_t size, void* self) {
  void* memory = static_cast<Http2Memory*>(self)->take(size);
  return memory != nullptr ? memory : std::malloc(size);
}

void* Http2Memory::allocate_zeroed(std::size_t count, std::size_t size, void* self) {
  std::size_t whole = 0;
  if (__builtin_mul_overflow(count, size, &whole)) return nullptr;
  if (whole == kTableSize) {
    if (void* table = static_cast<Http2Memory*>(self)->take_table()) return table;
  }
  void* memory = static_cast<Http2Memory*>(self)->take(whole);
  return memory != nullptr ? std::memset(memory, 0, whole) : std::calloc(count, size);
}

void* Http2Memory::reallocate(void* memory, std::size_t size, void* self) {
  if (memory == nullptr) return allocate(size, self);  // how the library gets its frame buffer
  if (!static_cast<Http2Memory*>(self)->is_in_slot(memory)) return std::realloc(memory, size);
  const bool is_table = memory == static_cast<Http2Memory*>(self)->slot_ + kTable;
  const std::size_t before =
      is_table ? kTableSize : reinterpret_cast<const Prefix*>(static_cast<std::byte*>(memory) - sizeof(Prefix))->size;
  if (size <= before) return memory;
  void* larger = std::malloc(size);
  return larger == nullptr ? nullptr : std::memcpy(larger, memory, before);
}

void Http2Memory::release(void* memory, void* self) {
  if (!static_cast<Http2Memory*>(self)->is_in_slot(memory)) std::free(memory);
}

}  // namespace mesh::wire
