#include "identity/signing_keys.h"

#include <openssl/decoder.h>
#include <openssl/encoder.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "identity/tokens.h"

namespace mesh {
namespace {

constexpr int kMinBits = 2048;
constexpr int kMaxBits = 16384;  // checking a signature of a larger one costs more than anyone has a reason to ask
constexpr std::size_t kMaxKeysKept = 256;

Result<SharedKey> read_rsa(const std::string& bytes, int selection, const char* what) {
  EVP_PKEY* raw = nullptr;
  OSSL_DECODER_CTX* decoder = OSSL_DECODER_CTX_new_for_pkey(&raw, nullptr, nullptr, "RSA", selection, nullptr, nullptr);
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t size = bytes.size();
  const bool read = decoder != nullptr && OSSL_DECODER_from_data(decoder, &data, &size) == 1;
  OSSL_DECODER_CTX_free(decoder);
  SharedKey key(raw, EVP_PKEY_free);
  ERR_clear_error();
  if (!read || key == nullptr || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA)
    return invalid("", std::string("is not ") + what);
  const int bits = EVP_PKEY_get_bits(key.get());
  if (bits < kMinBits || bits > kMaxBits) return invalid("", "is not an RSA key of 2048 to 16384 bits");
  return key;
}

}  // namespace

Result<SharedKey> read_signing_key(const Secret& content) {
  return read_rsa(content.reveal(), EVP_PKEY_KEYPAIR, "an RSA private key");
}

Result<SharedKey> read_verification_key(const std::string& pem) {
  return read_rsa(pem, EVP_PKEY_PUBLIC_KEY, "an RSA public key");
}

Result<SharedKey> VerificationKeys::of_private(const Secret& content) {
  return find_or_read(content.reveal(), content, read_signing_key);
}

Result<SharedKey> VerificationKeys::of_public(const std::string& pem) {
  return find_or_read(pem, pem, read_verification_key);
}

template <class Content, class Read>
Result<SharedKey> VerificationKeys::find_or_read(const std::string& bytes, const Content& content, Read read) {
  const std::string digest = openssl::sha256(bytes);
  {
    std::lock_guard lock(mutex_);
    if (const auto found = by_digest_.find(digest); found != by_digest_.end()) return found->second;
  }
  MESH_TRY(SharedKey key, read(content));
  std::lock_guard lock(mutex_);
  if (by_digest_.size() >= kMaxKeysKept) by_digest_.clear();
  by_digest_[digest] = key;
  return key;
}

Result<Secret> make_signing_key() {
  const openssl::Key key(EVP_RSA_gen(2048));
  if (key == nullptr) return openssl::failure("cannot make an RSA key");
  return openssl::print_private_key(key.get());
}

Result<std::string> public_key_of(const Secret& private_key_pem) {
  MESH_TRY(const SharedKey key, read_signing_key(private_key_pem));
  OSSL_ENCODER_CTX* encoder =
      OSSL_ENCODER_CTX_new_for_pkey(key.get(), EVP_PKEY_PUBLIC_KEY, "PEM", "type-specific", nullptr);
  const openssl::Stream out(BIO_new(BIO_s_mem()));
  const bool printed = encoder != nullptr && OSSL_ENCODER_to_bio(encoder, out.get()) == 1;
  OSSL_ENCODER_CTX_free(encoder);
  if (!printed) return openssl::failure("cannot print a public key");
  return openssl::written(out.get());
}

Status check_public_key(const std::string& pem) {
  MESH_RETURN_IF_ERROR(read_verification_key(pem));
  return {};
}

}  // namespace mesh
