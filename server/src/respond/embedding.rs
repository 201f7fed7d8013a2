//! Vectors, as they come, to one body.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zyron_engine::embedding::normalize;
use zyron_openapi::{Embedding, EmbeddingList, EmbeddingUsage, EmbeddingVector, EncodingFormat};

use super::{Part, Parts, Running};
use crate::error::ApiError;

/// The vectors of a request's texts, all of them.
///
/// # Errors
/// What ends the request, and [`ApiError::InvalidRequest`] where more `dimensions` are asked for than a vector has.
pub(crate) async fn embeddings(
    model: &str,
    encoding: EncodingFormat,
    dimensions: Option<usize>,
    mut running: Running,
) -> Result<EmbeddingList, ApiError> {
    let mut data = Vec::new();
    while let Some((index, part)) = running.next().await? {
        // What else comes is the end of each.
        let Part::Embedding(vector) = part else { continue };
        let vector = shortened(vector, dimensions).map_err(|error| running.fail(error))?;
        let embedding = written(vector, encoding);
        // There are no more than `limits.max_inputs`.
        data.push(Embedding { object: "embedding".to_owned(), index: index as u32, embedding });
    }
    data.sort_by_key(|embedding| embedding.index);
    let prompt_tokens = running.usage().prompt_tokens;
    let usage = EmbeddingUsage { prompt_tokens, total_tokens: prompt_tokens };
    Ok(EmbeddingList { object: "list".to_owned(), data, model: model.to_owned(), usage })
}

/// The first numbers of a vector, of length 1 again.
fn shortened(mut vector: Vec<f32>, dimensions: Option<usize>) -> Result<Vec<f32>, ApiError> {
    let Some(dimensions) = dimensions else { return Ok(vector) };
    if dimensions > vector.len() {
        let message = format!("`dimensions` is {dimensions}, and this model's vectors have {}.", vector.len());
        return Err(ApiError::invalid("dimensions", message));
    }
    vector.truncate(dimensions);
    // Numbers that are all zero stay so: they have no direction to keep.
    normalize(&mut vector);
    Ok(vector)
}

fn written(vector: Vec<f32>, encoding: EncodingFormat) -> EmbeddingVector {
    match encoding {
        EncodingFormat::Float => EmbeddingVector::Floats(vector),
        EncodingFormat::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
            EmbeddingVector::Base64(BASE64_STANDARD.encode(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_vector_has_length_one() {
        let short = shortened(vec![0.48, 0.64, 0.6], Some(2)).unwrap();
        assert!((short[0] - 0.6).abs() < 1e-6 && (short[1] - 0.8).abs() < 1e-6, "{short:?}");
        assert_eq!(shortened(vec![0.0, 1.0], Some(1)).unwrap(), [0.0]);
        assert!(shortened(vec![1.0], Some(2)).is_err());
    }

    #[test]
    fn base64_has_the_least_significant_byte_first() {
        let written = written(vec![1.0, -2.5], EncodingFormat::Base64);
        assert_eq!(written, EmbeddingVector::Base64("AACAPwAAIMA=".to_owned()));
    }
}
