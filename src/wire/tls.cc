#include "wire/tls.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstring>
#include <map>
#include <mutex>

#include "wire/address.h"

namespace mesh::wire {

void SslFree::operator()(ssl_st* ssl) const { SSL_free(ssl); }
void SslFree::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> reader_of(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Without it OpenSSL would ask for a passphrase on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

Error failed(const char* where, const char* doing) {
  std::string why = take_tls_error();
  return invalid(where, fmt::format("{}{}{}", doing, why.empty() ? "" : ": ", why));
}

Status use_certificate(SSL_CTX* context, const std::string& certificate_pem, const std::string& key_pem) {
  auto certificates = reader_of(certificate_pem);
  Owned<X509> leaf(PEM_read_bio_X509_AUX(certificates.get(), nullptr, no_passphrase, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return failed("certificate", "is not a usable PEM certificate");
  }
  while (X509* next = PEM_read_bio_X509(certificates.get(), nullptr, no_passphrase, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, next) != 1) {
      X509_free(next);
      return failed("certificate", "has a chain that cannot be used");
    }
  }
  ERR_clear_error();  // the end of the list is an error to OpenSSL
  auto key_reader = reader_of(key_pem);
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(key_reader.get(), nullptr, no_passphrase, nullptr));
  if (!key) return failed("key", "is not a usable PEM key (encrypted ones are not accepted)");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return failed("key", "does not belong to the certificate");
  }
  return {};
}

Status trust(SSL_CTX* context, const std::string& ca_pem, bool announce) {
  auto reader = reader_of(ca_pem);
  int count = 0;
  while (X509* raw = PEM_read_bio_X509(reader.get(), nullptr, no_passphrase, nullptr)) {
    Owned<X509> certificate(raw);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get());
    if (announce) SSL_CTX_add_client_CA(context, certificate.get());
    ++count;
  }
  ERR_clear_error();
  return count > 0 ? Status{} : Status(invalid("ca", "contains no PEM certificate"));
}

// Accepts OpenSSL's names and IANA's ("TLS_ECDHE_RSA_WITH_…"), of TLS 1.2 and 1.3 in one list.
Status use_ciphers(SSL_CTX* context, std::string_view list) {
  std::string up_to_12, from_13;
  const auto refuse = [list] {
    ERR_clear_error();
    return invalid("cipher suites", fmt::format("are \"{}\"; this holds none that can be used", list));
  };
  while (!list.empty()) {
    std::string name(list.substr(0, list.find_first_of(":,")));
    list.remove_prefix(std::min(list.size(), name.size() + 1));
    if (name.empty()) continue;
    bool is_13 = name.starts_with("TLS_") && !name.contains("_WITH_");
    if (!is_13 && name.starts_with("TLS_")) name = OPENSSL_cipher_name(name.c_str());
    std::string& target = is_13 ? from_13 : up_to_12;
    target += (target.empty() ? "" : ":") + name;
  }
  if (!up_to_12.empty() && SSL_CTX_set_cipher_list(context, up_to_12.c_str()) != 1) {
    return refuse();
  }
  if (!from_13.empty() && SSL_CTX_set_ciphersuites(context, from_13.c_str()) != 1) {
    return refuse();
  }
  return {};
}

int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered, unsigned size,
                void*) {
  for (std::string_view wanted : {"h2", "http/1.1"}) {
    for (unsigned at = 0; at < size; at += 1U + offered[at]) {
      std::string_view name(reinterpret_cast<const char*>(offered + at + 1),
                            std::min<unsigned>(offered[at], size - at - 1));
      if (name != wanted) continue;
      *out = offered + at + 1;
      *out_size = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void set_common(SSL_CTX* context) {
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets instead: nothing is kept per client
}

std::string fingerprint(const TlsClientSettings& settings) {
  std::string all;
  for (const std::string* part :
       {&settings.ca_pem, &settings.server_name, &settings.certificate_pem, &settings.key_pem}) {
    all += fmt::format("{}:{}", part->size(), *part);
  }
  all += settings.skip_verify ? "1" : "0";
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(all.data()), all.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::for_server(const TlsServerSettings& settings) {
  ERR_clear_error();
  auto result = std::make_shared<TlsContext>();
  result->context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = result->context_.get();
  if (context == nullptr) return error(ErrorKind::Internal, "cannot make a TLS context: " + take_tls_error());
  set_common(context);
  SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_num_tickets(context, 1);
  if (settings.min_version == TlsVersion::Tls13) SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_alpn_select_cb(context, choose_alpn, nullptr);
  constexpr unsigned char kSessionContext[] = "taskmesh";
  SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext - 1);
  MESH_RETURN_IF_ERROR(use_certificate(context, settings.certificate_pem, settings.key_pem));
  if (!settings.cipher_suites.empty()) MESH_RETURN_IF_ERROR(use_ciphers(context, settings.cipher_suites));
  if (!settings.client_ca_pem.empty()) {
    MESH_RETURN_IF_ERROR(trust(context, settings.client_ca_pem, true));
    SSL_CTX_set_verify(context,
                       SSL_VERIFY_PEER | (settings.require_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       nullptr);
  } else if (settings.require_client_certificate) {
    return invalid("client CA",
                   "is missing: client certificates are required, but there is nothing to check them against");
  }
  return std::shared_ptr<const TlsContext>(std::move(result));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::for_client(const TlsClientSettings& settings) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<const TlsContext>> in_use;
  std::string key = fingerprint(settings);
  std::lock_guard lock(mutex);
  std::erase_if(in_use, [](const auto& entry) { return entry.second.expired(); });
  if (auto found = in_use.find(key); found != in_use.end()) {
    if (auto shared = found->second.lock()) return shared;
  }

  ERR_clear_error();
  auto result = std::make_shared<TlsContext>();
  result->context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = result->context_.get();
  if (context == nullptr) return error(ErrorKind::Internal, "cannot make a TLS context: " + take_tls_error());
  set_common(context);
  result->server_name_ = settings.server_name;
  if (!settings.certificate_pem.empty()) {
    MESH_RETURN_IF_ERROR(use_certificate(context, settings.certificate_pem, settings.key_pem));
  }
  if (!settings.skip_verify) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    if (settings.ca_pem.empty()) {
      SSL_CTX_set_default_verify_paths(context);
    } else {
      MESH_RETURN_IF_ERROR(trust(context, settings.ca_pem, false));
    }
  }
  std::shared_ptr<const TlsContext> shared = std::move(result);
  in_use[key] = shared;
  return shared;
}

Ssl TlsContext::make_server_side() const {
  Ssl ssl(SSL_new(context_.get()));
  if (ssl) SSL_set_accept_state(ssl.get());
  return ssl;
}

Result<Ssl> TlsContext::make_client_side(const std::string& host, std::string_view alpn) const {
  Ssl ssl(SSL_new(context_.get()));
  if (!ssl) return error(ErrorKind::Internal, "cannot make a TLS connection: " + take_tls_error());
  SSL_set_connect_state(ssl.get());
  std::string name = server_name_.empty() ? host : server_name_;
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  if (SocketAddress::parse(name, 0)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str());
  } else {
    SSL_set1_host(ssl.get(), name.c_str());
    SSL_set_tlsext_host_name(ssl.get(), name.c_str());
  }
  std::string protocols;
  while (!alpn.empty()) {
    const std::string_view next = alpn.substr(0, alpn.find(','));
    protocols += static_cast<char>(next.size());
    protocols += next;
    alpn.remove_prefix(std::min(alpn.size(), next.size() + 1));
  }
  SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                      static_cast<unsigned>(protocols.size()));
  return ssl;
}

std::string take_tls_error() {
  std::string text;
  while (unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    if (!text.empty()) text += ", ";
    text += reason != nullptr ? reason : "unknown error";
  }
  return text;
}

std::string certificate_problem(const ssl_st* ssl) {
  long result = SSL_get_verify_result(ssl);
  return result == X509_V_OK ? std::string() : X509_verify_cert_error_string(result);
}

std::string peer_certificate_pem(const ssl_st* ssl) {
  Owned<X509> certificate(SSL_get1_peer_certificate(ssl));
  if (!certificate) return {};
  Owned<BIO> out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate.get());
  char* data = nullptr;
  long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string chosen_alpn(const ssl_st* ssl) {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &name, &size);
  return std::string(reinterpret_cast<const char*>(name), size);
}

}  // namespace mesh::wire
