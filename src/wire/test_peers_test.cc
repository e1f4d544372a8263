#include "wire/test_peers.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <memory>

#include "wire/address.h"

namespace mesh::wire::test {

namespace {

std::string pem_of(const std::function<void(BIO*)>& write) {
  BIO* bio = BIO_new(BIO_s_mem());
  write(bio);
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

BIO* bio_of(const std::string& text) { return BIO_new_mem_buf(text.data(), static_cast<int>(text.size())); }

X509* certificate_of(const std::string& pem) {
  BIO* bio = bio_of(pem);
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return certificate;
}

EVP_PKEY* key_of(const std::string& pem) {
  BIO* bio = bio_of(pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return key;
}

}  // namespace

KeyPair make_certificate(const std::string& common_name, const std::vector<std::string>& names, const KeyPair* issuer) {
  static std::atomic<long> serial = 1;
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  X509* signer = issuer != nullptr ? certificate_of(issuer->certificate_pem) : nullptr;
  EVP_PKEY* signing_key = issuer != nullptr ? key_of(issuer->key_pem) : nullptr;
  X509_set_issuer_name(certificate, X509_get_subject_name(signer != nullptr ? signer : certificate));
  std::string san;
  for (const std::string& name : names) {
    san += (san.empty() ? "" : ",") + std::string(SocketAddress::parse(name, 0) ? "IP:" : "DNS:") + name;
  }
  auto extend = [&](int nid, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  };
  extend(NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!san.empty()) extend(NID_subject_alt_name, san);
  X509_sign(certificate, signing_key != nullptr ? signing_key : key, EVP_sha256());
  KeyPair result;
  result.certificate_pem = pem_of([&](BIO* bio) { PEM_write_bio_X509(bio, certificate); });
  result.key_pem = pem_of([&](BIO* bio) { PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
  X509_free(certificate);
  EVP_PKEY_free(key);
  X509_free(signer);
  EVP_PKEY_free(signing_key);
  return result;
}

RawPeer::RawPeer(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  auto address = *SocketAddress::parse("127.0.0.1", port);
  timeval patience{.tv_sec = 60, .tv_usec = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(fd_, address.data(), address.size()) != 0) ADD_FAILURE() << "cannot connect to port " << port;
  set_no_delay(fd_);
}

bool RawPeer::start_tls(const std::vector<std::string>& alpn, const KeyPair* certificate, int max_version) {
  context_ = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_max_proto_version(context_, max_version);
  if (certificate != nullptr) {
    X509* own = certificate_of(certificate->certificate_pem);
    EVP_PKEY* key = key_of(certificate->key_pem);
    SSL_CTX_use_certificate(context_, own);
    SSL_CTX_use_PrivateKey(context_, key);
    X509_free(own);
    EVP_PKEY_free(key);
  }
  ssl_ = SSL_new(context_);
  std::string protocols;
  for (const std::string& name : alpn) protocols += static_cast<char>(name.size()) + name;
  if (!alpn.empty())
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(protocols.data()),
                        static_cast<unsigned>(protocols.size()));
  SSL_set_fd(ssl_, fd_);
  return SSL_connect(ssl_) == 1;
}

std::string RawPeer::chosen_alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return std::string(reinterpret_cast<const char*>(name), size);
}

std::string RawPeer::server_common_name() const {
  X509* certificate = SSL_get1_peer_certificate(ssl_);
  char name[256] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  X509_free(certificate);
  return name;
}

bool RawPeer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = ssl_ != nullptr ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                                   : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::string RawPeer::read_some() {
  if (!ahead_.empty()) return std::exchange(ahead_, {});
  std::string buffer(64 << 10, '\0');
  ssize_t got = ssl_ != nullptr ? SSL_read(ssl_, buffer.data(), static_cast<int>(buffer.size()))
                                : ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (got < 0 && ssl_ == nullptr && (errno == EAGAIN || errno == EWOULDBLOCK))
    ADD_FAILURE() << "nothing to read for a minute";
  buffer.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return buffer;
}

std::string RawPeer::read_exactly(std::size_t size) {
  std::string all;
  while (all.size() < size) {
    std::string more = read_some();
    if (more.empty()) return {};
    all += more;
  }
  ahead_ = all.substr(size);
  all.resize(size);
  return all;
}

std::string RawPeer::read_until(std::string_view end) {
  std::string all;
  while (!all.contains(end)) {
    std::string more = read_some();
    if (more.empty()) return all;
    all += more;
  }
  std::size_t size = all.find(end) + end.size();
  ahead_ = all.substr(size);
  all.resize(size);
  return all;
}

std::string RawPeer::read_all() {
  std::string all;
  while (true) {
    std::string more = read_some();
    if (more.empty()) return all;
    all += more;
  }
}

void RawPeer::close() {
  if (ssl_ != nullptr) SSL_free(std::exchange(ssl_, nullptr));
  if (context_ != nullptr) SSL_CTX_free(std::exchange(context_, nullptr));
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void RawPeer::set_small_receive_buffer() {
  const int size = 4096;
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

std::string big_endian(std::uint32_t number) {
  return {static_cast<char>(number >> 24), static_cast<char>(number >> 16), static_cast<char>(number >> 8),
          static_cast<char>(number)};
}

std::string frame(int type, int flags, std::uint32_t stream, std::string_view payload) {
  std::string head = big_endian(static_cast<std::uint32_t>(payload.size())).substr(1);
  head += static_cast<char>(type);
  head += static_cast<char>(flags);
  return head + big_endian(stream) + std::string(payload);
}

std::string message(std::string_view content, bool is_compressed) {
  return std::string(1, is_compressed ? 1 : 0) + big_endian(static_cast<std::uint32_t>(content.size())) +
         std::string(content);
}

Http2Peer::Http2Peer(RawPeer peer, std::string_view settings) : peer_(std::move(peer)) {
  nghttp2_hd_deflate_new(&deflater_, 4096);
  nghttp2_hd_inflate_new(&inflater_);
  send(std::string(kPreface) + frame(NGHTTP2_SETTINGS, 0, 0, settings));
}

Http2Peer::~Http2Peer() {
  nghttp2_hd_deflate_del(deflater_);
  nghttp2_hd_inflate_del(inflater_);
}

std::string Http2Peer::block_of(const Fields& fields) {
  std::vector<nghttp2_nv> list;
  for (const auto& [name, value] : fields) {
    list.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                    reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
                    NGHTTP2_NV_FLAG_NO_INDEX});
  }
  std::string block(nghttp2_hd_deflate_bound(deflater_, list.data(), list.size()), '\0');
  ssize_t size = nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<std::uint8_t*>(block.data()), block.size(),
                                       list.data(), list.size());
  block.resize(static_cast<std::size_t>(size));
  return block;
}

void Http2Peer::send_headers(std::uint32_t stream, const Fields& fields, bool ends_stream) {
  std::string block = block_of(fields);
  std::string first = block.substr(0, 16000);
  bool is_whole = first.size() == block.size();
  std::string frames =
      frame(NGHTTP2_HEADERS, (ends_stream ? NGHTTP2_FLAG_END_STREAM : 0) | (is_whole ? NGHTTP2_FLAG_END_HEADERS : 0),
            stream, first);
  for (std::size_t at = first.size(); at < block.size(); at += 16000) {
    frames += frame(NGHTTP2_CONTINUATION, at + 16000 >= block.size() ? NGHTTP2_FLAG_END_HEADERS : 0, stream,
                    block.substr(at, 16000));
  }
  send(frames);
}

void Http2Peer::open_grpc(std::uint32_t stream, const std::string& path) {
  send_headers(stream,
               {{":method", "POST"},
                {":scheme", "http"},
                {":path", path},
                {":authority", "test"},
                {"content-type", "application/grpc"},
                {"te", "trailers"}},
               false);
}

Http2Peer::Frame Http2Peer::read_frame() {
  std::string head = peer_.read_exactly(9);
  if (head.size() < 9) return {};
  auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(head[i])); };
  std::size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
  Frame result{
      static_cast<int>(byte(3)), static_cast<int>(byte(4)), byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8), {}};
  if (size > 0) result.payload = peer_.read_exactly(size);
  if (result.type == NGHTTP2_SETTINGS && result.flags == 0) send(frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0));
  return result;
}

std::map<std::string, std::string> Http2Peer::fields_of(std::string_view block) {
  std::map<std::string, std::string> fields;
  auto* at = reinterpret_cast<const std::uint8_t*>(block.data());
  std::size_t left = block.size();
  while (true) {
    nghttp2_nv field{};
    int flags = 0;
    ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, at, left, 1);
    if (used < 0) break;
    at += used;
    left -= static_cast<std::size_t>(used);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      fields[std::string(reinterpret_cast<char*>(field.name), field.namelen)] =
          std::string(reinterpret_cast<char*>(field.value), field.valuelen);
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
  }
  nghttp2_hd_inflate_end_headers(inflater_);
  return fields;
}

Http2Peer::Answer Http2Peer::read_answer(std::uint32_t stream) {
  Answer answer;
  while (true) {
    Frame next = read_frame();
    if (next.type < 0) {
      answer.connection_closed = true;
      return answer;
    }
    if (next.type == NGHTTP2_PING && next.flags == 0) send(frame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, next.payload));
    if (next.stream != stream) continue;
    if (next.type == NGHTTP2_HEADERS)
      (answer.headers.empty() ? answer.headers : answer.trailers) = fields_of(next.payload);
    if (next.type == NGHTTP2_DATA && !next.payload.empty()) {
      answer.body += next.payload;
      std::string more = big_endian(static_cast<std::uint32_t>(next.payload.size()));
      send(frame(NGHTTP2_WINDOW_UPDATE, 0, 0, more) + frame(NGHTTP2_WINDOW_UPDATE, 0, stream, more));
    }
    if (next.type == NGHTTP2_RST_STREAM) {
      answer.reset = static_cast<std::uint32_t>(static_cast<unsigned char>(next.payload[3]));
      return answer;
    }
    if ((next.type == NGHTTP2_HEADERS || next.type == NGHTTP2_DATA) && (next.flags & NGHTTP2_FLAG_END_STREAM) != 0)
      return answer;
  }
}

std::optional<std::uint32_t> Http2Peer::read_goaway() {
  while (true) {
    Frame next = read_frame();
    if (next.type < 0) return std::nullopt;
    if (next.type == NGHTTP2_GOAWAY) return static_cast<std::uint32_t>(static_cast<unsigned char>(next.payload[7]));
  }
}

ServerSettings on_loopback(Limits limits) {
  return {.name = "test", .address = "127.0.0.1", .port = 0, .limits = limits};
}

std::string get(std::string_view path, std::string_view more_headers) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n" + std::string(more_headers) + "\r\n";
}

}  // namespace mesh::wire::test
