#include "wire/descriptor.h"

#include <utility>

#include "wire/address.h"
#include "wire/loop_internal.h"

namespace mesh::wire {

struct Descriptor::State {
  std::shared_ptr<LoopContext> context;  // first: goes last
  asio::posix::basic_stream_descriptor<StrandExecutor> stream;
};

Descriptor::Descriptor() = default;
Descriptor::Descriptor(const Strand& strand, int fd)
    : state_(new State{StrandAccess::context(strand),
                       asio::posix::basic_stream_descriptor<StrandExecutor>(StrandAccess::executor(strand), fd)}),
      fd_(fd) {}
Descriptor::Descriptor(Descriptor&& other) noexcept
    : state_(std::move(other.state_)), fd_(std::exchange(other.fd_, -1)) {}
Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  state_ = std::move(other.state_);
  fd_ = std::exchange(other.fd_, -1);
  return *this;
}
Descriptor::~Descriptor() = default;

namespace {

template <class Stream>
void wait_for(Stream& stream, asio::posix::descriptor_base::wait_type what, Task task) {
  stream.async_wait(what, [task = std::move(task)](boost::system::error_code error) mutable {
    if (!error) task();
  });
}

}  // namespace

void Descriptor::wait_readable(Task task) {
  if (is_open()) wait_for(state_->stream, asio::posix::descriptor_base::wait_read, std::move(task));
}

void Descriptor::wait_writable(Task task) {
  if (is_open()) wait_for(state_->stream, asio::posix::descriptor_base::wait_write, std::move(task));
}

void Descriptor::wait_broken(Task task) {
  if (is_open()) wait_for(state_->stream, asio::posix::descriptor_base::wait_error, std::move(task));
}

void Descriptor::close() {
  fd_ = -1;
  state_.reset();
}

int Descriptor::release() {
  fd_ = -1;
  int fd = state_ ? state_->stream.release() : -1;
  state_.reset();
  return fd;
}

void resolve(const Strand& strand, const std::string& host, int port,
             std::move_only_function<void(Result<std::vector<SocketAddress>>)> on_addresses) {
  if (auto numeric = SocketAddress::parse(host, port)) {
    strand.post(
        [numeric = *numeric, on_addresses = std::move(on_addresses)]() mutable { on_addresses(std::vector{numeric}); });
    return;
  }
  using Resolver = asio::ip::basic_resolver<asio::ip::tcp, StrandExecutor>;
  auto resolver = std::make_shared<Resolver>(StrandAccess::executor(strand));
  resolver->async_resolve(host, std::to_string(port),
                          [resolver, host, on_addresses = std::move(on_addresses)](
                              boost::system::error_code error, const Resolver::results_type& found) mutable {
                            if (error) {
                              on_addresses(mesh::error(ErrorKind::Unavailable,
                                                       "host \"" + host + "\" cannot be resolved: " + error.message()));
                              return;
                            }
                            std::vector<SocketAddress> addresses;
                            for (const auto& entry : found) {
                              addresses.push_back(SocketAddress::from(entry.endpoint().data(),
                                                                      static_cast<unsigned>(entry.endpoint().size())));
                            }
                            on_addresses(std::move(addresses));
                          });
}

}  // namespace mesh::wire
