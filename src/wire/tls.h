// Certificates, keys and rules of TLS as OpenSSL contexts.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "wire/client.h"
#include "wire/server.h"

struct ssl_st;
struct ssl_ctx_st;

namespace mesh::wire {

struct SslFree {
  void operator()(ssl_st* ssl) const;
  void operator()(ssl_ctx_st* context) const;
};
using Ssl = std::unique_ptr<ssl_st, SslFree>;

// Immutable once made; shared by the connections that it made.
class TlsContext {
 public:
  static Result<std::shared_ptr<const TlsContext>> for_server(const TlsServerSettings& settings);
  // Contexts with the same settings are shared while one is in use: they are large, and clients may be many.
  static Result<std::shared_ptr<const TlsContext>> for_client(const TlsClientSettings& settings);

  Ssl make_server_side() const;
  // Checks the peer's certificate against `host`, a name or an IP address. `alpn`: "h2", "http/1.1", or several with
  // commas between them, the best first.
  Result<Ssl> make_client_side(const std::string& host, std::string_view alpn) const;

 private:
  std::unique_ptr<ssl_ctx_st, SslFree> context_;
  std::string server_name_;
};

// What OpenSSL's error queue of this thread says; empties it.
std::string take_tls_error();
// Why the peer's certificate was not accepted; empty when it was.
std::string certificate_problem(const ssl_st* ssl);
std::string peer_certificate_pem(const ssl_st* ssl);
std::string chosen_alpn(const ssl_st* ssl);

}  // namespace mesh::wire
