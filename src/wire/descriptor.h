// A socket that is waited for on a strand. Reading and writing are plain system calls on fd(), which does not block.
#pragma once

#include <memory>

#include "wire/event_loop.h"

namespace mesh::wire {

// Use it on its strand. Owns the file descriptor.
class Descriptor {
 public:
  Descriptor();
  Descriptor(const Strand& strand, int fd);
  Descriptor(Descriptor&&) noexcept;
  Descriptor& operator=(Descriptor&&) noexcept;
  ~Descriptor();

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  // Runs `task` once on the strand. It is dropped uncalled when close() comes first.
  void wait_readable(Task task);
  void wait_writable(Task task);
  void wait_broken(Task task);  // closed by both sides, or reset
  void close();
  int release();  // the descriptor becomes the caller's; waits are dropped

 private:
  struct State;
  std::unique_ptr<State> state_;
  int fd_ = -1;
};

}  // namespace mesh::wire
