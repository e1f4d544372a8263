// Tells when files were replaced: certificates, above all. Written over, renamed into place, or behind symbolic links
// that were turned elsewhere, as Kubernetes does with the secrets that it mounts. The kernel says so at once (inotify);
// network file systems say nothing, so the files are also looked at every minute.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "wire/event_loop.h"

namespace mesh::wire {

// Notes how the files are when it is made, so make it before you read them. A path may be a folder: then its entries
// count.
class FileWatch {
 public:
  // `on_change` runs on the loop, once the files have been the same again for a moment: those that belong together are
  // seldom replaced at once. Never after the destructor has returned; it must not destroy the watch itself.
  FileWatch(EventLoop& loop, std::vector<std::filesystem::path> files, std::function<void()> on_change);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  void start();  // once
  const std::vector<std::filesystem::path>& files() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Keeps the certificate of a port as its files have it. `take_over` reads them and gives the port what they say; when
// it cannot, the port keeps what it has, and the log says why.
std::unique_ptr<FileWatch> watch_certificate(EventLoop& loop, std::string port_name,
                                             std::vector<std::filesystem::path> files,
                                             std::function<Status()> take_over);

}  // namespace mesh::wire
