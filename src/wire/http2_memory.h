// The memory of one nghttp2 session. The library gives each session a frame buffer of 16 KiB, of which a server of
// streams hardly uses more than a few hundred bytes: bodies go past it. From the heap all of it becomes resident sooner
// or later, as it is cut from what larger buffers left behind. Here it is the tail of a slot of pages that are there
// only once they are written to, behind the session's other lasting parts. The table of streams, 4 KiB of which a few
// bytes are used, lies so that streams 1 and 3, often the only ones, have their places in a page with other things, and
// the rest of it in a page that nobody touches. A session takes 8 KiB instead of 26.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>

namespace mesh::wire {

class Http2Memory {
 public:
  Http2Memory();
  ~Http2Memory();  // after the session
  Http2Memory(const Http2Memory&) = delete;
  Http2Memory& operator=(const Http2Memory&) = delete;

  // Whether a stream of that number has its place in the part of the table that is in memory anyway. A client of ours
  // leaves the other numbers out, so that a few streams cost its server no further page.
  static bool is_cheap(std::uint32_t stream_id);

  // For making the session, which copies it.
  nghttp2_mem callbacks();

 private:
  static void* allocate(std::size_t size, void* self);
  static void* allocate_zeroed(std::size_t count, std::size_t size, void* self);
  static void* reallocate(void* memory, std::size_t size, void* self);
  static void release(void* memory, void* self);

  void* take(std::size_t size);  // null: the slot has no room for it
  void* take_table();            // zeroed; null: it is taken
  bool is_in_slot(const void* memory) const;

  bool is_clean_ = false;  // the slot, as it was taken: nothing but zeros
  std::byte* const slot_;  // null: the system has none left, and everything is from the heap
  std::size_t used_;
  bool is_tail_taken_ = false, is_table_taken_ = false;
};

}  // namespace mesh::wire
