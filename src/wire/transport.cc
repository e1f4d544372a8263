#include "wire/transport.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

namespace mesh::wire {

namespace {

thread_local std::vector<std::unique_ptr<std::string>> spare_buffers;

int bio_write(BIO* bio, const char* bytes, int size) {
  return static_cast<Transport*>(BIO_get_data(bio))->take_encrypted(bytes, size);
}

int bio_read(BIO* bio, char* buffer, int size) {
  BIO_clear_retry_flags(bio);
  int got = static_cast<Transport*>(BIO_get_data(bio))->give_encrypted(buffer, size);
  if (got < 0) BIO_set_retry_read(bio);
  return got;
}

long bio_ctrl(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

// The TLS library's own socket BIO raises SIGPIPE and writes record by record.
BIO_METHOD* bio_method() {
  static BIO_METHOD* method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_ctrl);
    return made;
  }();
  return method;
}

}  // namespace

Scratch::Scratch() {
  if (spare_buffers.empty()) {
    buffer_ = std::make_unique<std::string>();
    buffer_->reserve(kSize);
  } else {
    buffer_ = std::move(spare_buffers.back());
    spare_buffers.pop_back();
  }
}

Scratch::~Scratch() {
  buffer_->clear();
  if (buffer_->capacity() <= 4 * kSize && spare_buffers.size() < 4) spare_buffers.push_back(std::move(buffer_));
}

void Transport::open(int fd, Ssl ssl) {
  fd_ = fd;
  ssl_ = std::move(ssl);
  if (!ssl_) return;
  BIO* bio = BIO_new(bio_method());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_read_ahead(ssl_.get(), 1);
}

void Transport::close() {
  fd_ = -1;
  ssl_.reset();
  std::string().swap(kept_);
  kept_from_ = 0;
}

int Transport::take_encrypted(const char* bytes, int size) {
  (collecting_ != nullptr ? *collecting_ : kept_).append(bytes, static_cast<std::size_t>(size));
  return size;
}

int Transport::give_encrypted(char* buffer, int size) {
  while (true) {
    ssize_t got = ::recv(fd_, buffer, static_cast<std::size_t>(size), 0);
    is_socket_empty_ = got < size;
    if (got > 0) has_received_ = true;
    if (got > 0) return static_cast<int>(got);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return -1;
    if (got < 0) failure_ = std::generic_category().message(errno);
    read_ended_ = true;
    return 0;
  }
}

Transport::Outcome Transport::outcome_of(int result, const char* doing) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return Outcome::WouldBlock;
    case SSL_ERROR_ZERO_RETURN: return Outcome::End;
    default: break;
  }
  got_plain_http_ = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
  std::string why = take_tls_error();
  if (read_ended_) {
    if (failure_.empty()) failure_ = std::string("the peer closed the connection during ") + doing;
    return Outcome::End;
  }
  failure_ = why.empty() ? "TLS failed" : why;
  return Outcome::Failed;
}

Transport::Outcome Transport::handshake() {
  ERR_clear_error();
  int result = SSL_do_handshake(ssl_.get());
  return result == 1 ? Outcome::Ok : outcome_of(result, "the TLS handshake");
}

Transport::Outcome Transport::read(char* buffer, std::size_t size, std::size_t& got) {
  got = 0;
  if (ssl_) {
    ERR_clear_error();
    int result = SSL_read(ssl_.get(), buffer, static_cast<int>(size));
    if (result <= 0) return outcome_of(result, "reading");
    got = static_cast<std::size_t>(result);
    return Outcome::Ok;
  }
  int result = give_encrypted(buffer, static_cast<int>(size));
  if (result > 0) {
    got = static_cast<std::size_t>(result);
    return Outcome::Ok;
  }
  if (result < 0) return Outcome::WouldBlock;
  return failure_.empty() ? Outcome::End : Outcome::Failed;
}

bool Transport::is_drained() const { return is_socket_empty_ && (!ssl_ || SSL_has_pending(ssl_.get()) == 0); }

bool Transport::send_now(std::string_view bytes) {
  if (broken_ || fd_ < 0) return false;
  while (!bytes.empty() && kept_bytes() == 0) {
    ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    } else if (errno != EINTR) {
      failure_ = std::generic_category().message(errno);
      broken_ = true;
      return false;
    }
  }
  kept_.append(bytes);
  return true;
}

bool Transport::write(std::string_view bytes) {
  if (!ssl_) return send_now(bytes);
  Scratch encrypted;
  collecting_ = &*encrypted;
  bool good = true;
  ERR_clear_error();
  while (good && !bytes.empty()) {
    int taken = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1UL << 30)));
    if (taken > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(taken));
    } else {
      outcome_of(taken, "writing");
      if (failure_.empty()) failure_ = "TLS could not write";
      good = false;
    }
  }
  collecting_ = nullptr;
  return send_now(*encrypted) && good;
}

Transport::Outcome Transport::flush() {
  while (kept_bytes() > 0) {
    ssize_t sent = ::send(fd_, kept_.data() + kept_from_, kept_bytes(), MSG_NOSIGNAL);
    if (sent >= 0) {
      kept_from_ += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return Outcome::WouldBlock;
    } else if (errno != EINTR) {
      failure_ = std::generic_category().message(errno);
      broken_ = true;
      return Outcome::Failed;
    }
  }
  kept_from_ = 0;
  if (kept_.capacity() > 256) {
    std::string().swap(kept_);  // assigning an empty one would keep its memory
  } else {
    kept_.clear();
  }
  return Outcome::Ok;
}

void Transport::say_goodbye() {
  if (fd_ < 0) return;
  if (ssl_ && SSL_is_init_finished(ssl_.get()) != 0) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  if (!broken_) flush();
  ::shutdown(fd_, SHUT_WR);
}

Transport::Outcome Transport::discard() {
  Scratch buffer;
  buffer->resize(Scratch::kSize);
  int got = give_encrypted(buffer->data(), static_cast<int>(Scratch::kSize));
  return got > 0 ? Outcome::Ok : got < 0 ? Outcome::WouldBlock : Outcome::End;
}

}  // namespace mesh::wire
